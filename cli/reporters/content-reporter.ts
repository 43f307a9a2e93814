import type {ContentEvent, ContentPhase} from '../../api/content/content-event.ts';
import type {DownloadProgress, Progress} from '../../api/download/download-event.ts';
import {unreachable} from '../../api/errors.ts';
import {formatBytes, formatDuration} from '../format.ts';
import {shortenMiddle} from '../text.ts';
import {ProgressScreen, type ScreenOptions} from './progress-screen.ts';

const doing: Readonly<Record<ContentPhase, string>> = {
  check: 'checking configuration and sources',
  download: 'downloading',
  images: 'fetching container images',
  unpack: 'unpacking the base image',
  resize: 'growing the data partition',
  fill: 'filling the image',
  verify: 'checking the file system',
};
const done: Readonly<Record<ContentPhase, string>> = {
  check: 'checked configuration and sources',
  download: 'downloads are complete',
  images: 'fetched container images',
  unpack: 'unpacked the base image',
  resize: 'grew the data partition',
  fill: 'filled the image',
  verify: 'checked the file system',
};

/** Columns that an address has at least. */
const leastName = 20;
/** Lines for single downloads; with more, the total says enough. */
const mostLines = 6;

/** Draws `content create`: what is going on at the bottom of a terminal, a line for each finished thing elsewhere. */
export class ContentReporter implements Disposable {
  readonly #screen: ProgressScreen;
  readonly #active = new Map<string, DownloadProgress | undefined>();
  readonly #urls = new Map<string, string>();
  #phase: ContentPhase = 'check';
  #line = '';
  #overall: Progress | undefined;

  constructor(options: ScreenOptions) {
    this.#screen = new ProgressScreen(options);
  }

  on(event: ContentEvent): void {
    const {colors, symbols} = this.#screen;
    switch (event.type) {
      case 'content-phase-started':
        this.#phase = event.phase;
        this.#line = '';
        if (this.#screen.isLive) this.#draw(true);
        else this.#print(`${doing[event.phase]}…`);
        return;
      case 'content-progress': {
        const {doneBytes, totalBytes, subject} = event;
        const amount =
          totalBytes === undefined
            ? formatBytes(doneBytes)
            : `${formatBytes(doneBytes)} of ${formatBytes(totalBytes)}`;
        this.#line = `${amount}  ${subject}`;
        this.#draw();
        return;
      }
      case 'content-phase-finished': {
        const bytes = event.doneBytes > 0 ? `, ${formatBytes(event.doneBytes)}` : '';
        this.#overall = undefined;
        this.#print(
          `${colors.green(symbols.done)} ${done[event.phase]}${bytes} in ${formatDuration(event.durationMs)}`,
        );
        return;
      }
      case 'download-started':
        this.#urls.set(event.id, event.url);
        this.#active.set(event.id, undefined);
        return;
      case 'download-progress':
        this.#active.set(event.id, event);
        this.#overall = event.overall;
        this.#draw();
        return;
      case 'download-retried':
        this.#print(
          `${colors.yellow(symbols.warning)} ${event.id}: ${event.reason}; again in ${formatDuration(event.waitMs)}`,
        );
        return;
      case 'download-finished': {
        this.#active.delete(event.id);
        const from =
          event.from === 'network'
            ? `in ${formatDuration(event.durationMs)}`
            : event.from === 'cache'
              ? '(cached)'
              : '(local)';
        const size = `${formatBytes(event.sizeBytes)} ${from}`;
        const name = this.#urls.get(event.id) ?? event.id;
        // A log has the whole address.
        const room = this.#screen.isLive
          ? Math.max(leastName, this.#screen.columns - size.length - 7)
          : Infinity;
        this.#print(`  ${colors.green(symbols.done)} ${shortenMiddle(name, room)}  ${size}`);
        return;
      }
      case 'download-failed':
        this.#active.delete(event.id);
        this.#print(`  ${colors.red(symbols.failed)} ${event.message}`);
        return;
      case 'notice':
        this.#screen.notice(event);
        return;
      default:
        unreachable(event);
    }
  }

  stopping(): void {
    this.#screen.stopping();
  }

  /** Gives the terminal back. The next event draws again. */
  pause(): void {
    this.#screen.pause();
  }

  [Symbol.dispose](): void {
    this.pause();
  }

  #draw(isUrgent = false): void {
    this.#screen.draw((columns) => {
      const how = this.#overall === undefined ? this.#line : formatProgress(this.#overall);
      const total = `${doing[this.#phase]}  ${how}`;
      if (this.#phase !== 'download') return [total];
      const files = [...this.#active].slice(0, mostLines).map(([id, progress]) => {
        const part = progress === undefined ? '' : `${formatProgress(progress)}  `;
        const room = columns - 3 - part.length;
        return `  ${part}${shortenMiddle(this.#urls.get(id) ?? id, Math.max(leastName, room))}`;
      });
      return [total, ...files];
    }, isUrgent);
  }

  #print(line: string): void {
    this.#screen.print(line);
  }
}

/** `45 %  312 MiB of 678 MiB  88 MiB/s  4.1s left` */
function formatProgress({doneBytes, totalBytes, bytesPerSecond, secondsLeft}: Progress): string {
  const parts =
    totalBytes === undefined || totalBytes === 0
      ? [formatBytes(doneBytes)]
      : [
          `${Math.floor((doneBytes * 100) / totalBytes)} %`.padStart(5),
          `${formatBytes(doneBytes)} of ${formatBytes(totalBytes)}`,
        ];
  if (bytesPerSecond > 0) parts.push(`${formatBytes(bytesPerSecond)}/s`);
  if (secondsLeft !== undefined) parts.push(`${formatDuration(secondsLeft * 1000)} left`);
  return parts.join('  ');
}
