import type {ChalkInstance} from 'chalk';
import type {ContentEvent, ContentPhase} from '../../api/content/content-event.ts';
import type {DownloadProgress, Progress} from '../../api/download/download-event.ts';
import {unreachable} from '../../api/errors.ts';
import type {Output} from '../context.ts';
import {formatBytes, formatDuration} from '../format.ts';
import type {Symbols} from '../symbols.ts';
import {truncate} from '../text.ts';
import {LiveWindow} from './live-window.ts';
import {stoppingMessage} from './reporter.ts';

interface ContentReporterOptions {
  readonly output: Output;
  readonly colors: ChalkInstance;
  readonly symbols: Symbols;
  /** Whether the output is a terminal with somebody in front of it. */
  readonly isLive: boolean;
  readonly now?: () => number;
}

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

const frameMs = 84;
/** Lines for single downloads; with more, the total says enough. */
const mostLines = 6;

/** Draws `content create`: what is going on at the bottom of a terminal, a line for each finished thing elsewhere. */
export class ContentReporter implements Disposable {
  readonly #options: ContentReporterOptions;
  readonly #now: () => number;
  readonly #active = new Map<string, DownloadProgress | undefined>();
  readonly #urls = new Map<string, string>();
  #window: LiveWindow | undefined;
  #phase: ContentPhase = 'check';
  #line = '';
  #overall: Progress | undefined;
  #drawnMs = -Infinity;

  constructor(options: ContentReporterOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
  }

  on(event: ContentEvent): void {
    const {colors, symbols} = this.#options;
    switch (event.type) {
      case 'content-phase-started':
        this.#phase = event.phase;
        this.#line = '';
        if (this.#options.isLive) this.#draw(true);
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
        this.#print(
          `  ${colors.green(symbols.done)} ${this.#urls.get(event.id) ?? event.id}  ${formatBytes(event.sizeBytes)} ${from}`,
        );
        return;
      }
      case 'download-failed':
        this.#active.delete(event.id);
        this.#print(`  ${colors.red(symbols.failed)} ${event.message}`);
        return;
      case 'notice': {
        const sign = event.level === 'warning' ? colors.yellow(symbols.warning) : colors.dim(symbols.info);
        this.#print(`${sign} ${event.message}`);
        return;
      }
      default:
        unreachable(event);
    }
  }

  stopping(): void {
    this.#print(this.#options.colors.yellow(stoppingMessage));
  }

  /** Gives the terminal back. The next event draws again. */
  pause(): void {
    this.#window?.[Symbol.dispose]();
    this.#window = undefined;
  }

  [Symbol.dispose](): void {
    this.pause();
  }

  #draw(isUrgent = false): void {
    if (!this.#options.isLive) return;
    const now = this.#now();
    if (!isUrgent && now - this.#drawnMs < frameMs) return;
    this.#drawnMs = now;
    const window = (this.#window ??= new LiveWindow(this.#options.output));
    const lines = [
      `${doing[this.#phase]}  ${this.#overall === undefined ? this.#line : formatProgress(this.#overall)}`,
    ];
    if (this.#phase === 'download') {
      for (const [id, progress] of [...this.#active].slice(0, mostLines))
        lines.push(
          `  ${progress === undefined ? '' : `${formatProgress(progress)}  `}${this.#urls.get(id) ?? id}`,
        );
    }
    window.update(
      [],
      lines.map((line) => truncate(line, window.columns - 1)),
    );
  }

  /** Prints a line for good. */
  #print(line: string): void {
    if (this.#window === undefined) this.#options.output.write(`${line}\n`);
    else this.#window.update([line], []);
  }
}

/** `45 %  312 MiB of 678 MiB  88 MiB/s  4.1s left` */
function formatProgress({doneBytes, totalBytes, bytesPerSecond, secondsLeft}: Progress): string {
  const parts =
    totalBytes === undefined || totalBytes === 0
      ? [formatBytes(doneBytes)]
      : [
          `${Math.floor((doneBytes * 100) / totalBytes)} %`,
          `${formatBytes(doneBytes)} of ${formatBytes(totalBytes)}`,
        ];
  if (bytesPerSecond > 0) parts.push(`${formatBytes(bytesPerSecond)}/s`);
  if (secondsLeft !== undefined) parts.push(`${formatDuration(secondsLeft * 1000)} left`);
  return parts.join('  ');
}
