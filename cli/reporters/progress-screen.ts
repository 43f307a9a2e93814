import type {ChalkInstance} from 'chalk';
import type {Notice} from '../../api/events/event.ts';
import type {Output} from '../context.ts';
import type {Symbols} from '../symbols.ts';
import {truncate} from '../text.ts';
import {LiveWindow} from './live-window.ts';
import {stoppingMessage} from './reporter.ts';

export interface ScreenOptions {
  readonly output: Output;
  readonly colors: ChalkInstance;
  readonly symbols: Symbols;
  /** Whether the output is a terminal with somebody in front of it. */
  readonly isLive: boolean;
  readonly now?: () => number;
}

const frameMs = 84;

/** What work that is no pipeline shows: lines that stay, and below them, on a terminal, some that are drawn again and again. */
export class ProgressScreen implements Disposable {
  readonly colors: ChalkInstance;
  readonly symbols: Symbols;
  readonly isLive: boolean;
  readonly #output: Output;
  readonly #now: () => number;
  #window: LiveWindow | undefined;
  #drawnMs = -Infinity;

  constructor({output, colors, symbols, isLive, now = () => performance.now()}: ScreenOptions) {
    this.colors = colors;
    this.symbols = symbols;
    this.isLive = isLive;
    this.#output = output;
    this.#now = now;
  }

  /** Milliseconds of a clock that only goes forward. */
  get nowMs(): number {
    return this.#now();
  }

  get columns(): number {
    return this.#output.columns || 80;
  }

  /**
   * Draws lines below those that stay, a few times a second. Nothing where there is no terminal.
   *
   * @param isUrgent Now, however short ago the last time was.
   */
  draw(lines: (columns: number) => readonly string[], isUrgent = false): void {
    if (!this.isLive) return;
    const now = this.nowMs;
    if (!isUrgent && now - this.#drawnMs < frameMs) return;
    this.#drawnMs = now;
    const window = (this.#window ??= new LiveWindow(this.#output));
    const {columns} = window;
    window.update(
      [],
      lines(columns).map((line) => truncate(line, columns - 1)),
    );
  }

  /** Prints a line for good. */
  print(line: string): void {
    if (this.#window === undefined) this.#output.write(`${line}\n`);
    else this.#window.update([line], []);
  }

  notice({level, message}: Notice): void {
    const {colors, symbols} = this;
    const sign = level === 'warning' ? colors.yellow(symbols.warning) : colors.dim(symbols.info);
    this.print(`${sign} ${message}`);
  }

  stopping(): void {
    this.print(this.colors.yellow(stoppingMessage));
  }

  /** Gives the terminal back, for a question or other lines. The next event draws again. */
  pause(): void {
    this.#window?.[Symbol.dispose]();
    this.#window = undefined;
  }

  [Symbol.dispose](): void {
    this.pause();
  }
}
