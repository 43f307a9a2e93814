import type {ChalkInstance} from 'chalk';
import {unreachable} from '../../api/errors.ts';
import type {FlashEvent, FlashProgress} from '../../api/flash/flash-event.ts';
import type {Output} from '../context.ts';
import type {Symbols} from '../symbols.ts';
import {renderEnd, renderProgress, renderStart} from './flash-line.ts';
import {LiveWindow} from './live-window.ts';
import {stoppingMessage} from './reporter.ts';

interface FlashReporterOptions {
  readonly output: Output;
  readonly colors: ChalkInstance;
  readonly symbols: Symbols;
  /** Whether the output is a terminal with somebody in front of it. */
  readonly isLive: boolean;
  readonly now?: () => number;
}

const frameMs = 84;
/** Where nothing can be drawn, a line for every tenth of the way. */
const plainSteps = 10;

/** Draws `flash` and `personalise`: one line of progress on a terminal, a few lines elsewhere. */
export class FlashReporter implements Disposable {
  readonly #options: FlashReporterOptions;
  readonly #now: () => number;
  #window: LiveWindow | undefined;
  #subject = '';
  #startedMs = 0;
  #drawnMs = -Infinity;
  #step = 0;

  constructor(options: FlashReporterOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
  }

  on(event: FlashEvent): void {
    const {colors, symbols} = this.#options;
    switch (event.type) {
      case 'flash-phase-started':
        this.#subject = event.subject;
        this.#startedMs = this.#now();
        this.#step = 0;
        if (!this.#options.isLive) this.#print(renderStart(event.phase, event.subject));
        return;
      case 'flash-progress':
        this.#draw(event);
        return;
      case 'flash-phase-finished':
        this.#print(
          `${colors.green(symbols.done)} ${renderEnd(event.phase, event.doneBytes, event.durationMs)}`,
        );
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

  /** Gives the terminal back, for a question. The next event draws again. */
  pause(): void {
    this.#window?.[Symbol.dispose]();
    this.#window = undefined;
  }

  [Symbol.dispose](): void {
    this.pause();
  }

  #draw(event: FlashProgress): void {
    const now = this.#now();
    const elapsedMs = now - this.#startedMs;
    if (this.#options.isLive) {
      if (now - this.#drawnMs < frameMs) return;
      this.#drawnMs = now;
      const window = (this.#window ??= new LiveWindow(this.#options.output));
      window.update([], [renderProgress(event, this.#subject, elapsedMs, window.columns)]);
      return;
    }
    const {doneBytes, totalBytes} = event;
    if (totalBytes === undefined || doneBytes === totalBytes) return;
    const step = Math.floor((doneBytes * plainSteps) / totalBytes);
    if (step <= this.#step) return;
    this.#step = step;
    this.#print(renderProgress(event, this.#subject, elapsedMs, 200));
  }

  /** Prints a line for good. */
  #print(line: string): void {
    if (this.#window === undefined) this.#options.output.write(`${line}\n`);
    else this.#window.update([line], []);
  }
}
