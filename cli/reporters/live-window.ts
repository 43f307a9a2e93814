import {createLogUpdate} from 'log-update';
import type {Output} from '../context.ts';
import {widthOf} from '../text.ts';

const hideCursor = '\u001B[?25l';
const showCursor = '\u001B[?25h';
const beginSynchronized = '\u001B[?2026h';
const endSynchronized = '\u001B[?2026l';

/**
 * A few lines at the bottom of the terminal that are drawn again and again, with lasting lines above them. Each update
 * reaches the terminal as one write inside a synchronized-output sequence, so that it never flickers.
 */
export class LiveWindow implements Disposable {
  readonly #output: Output;
  readonly #draw: ReturnType<typeof createLogUpdate>;
  readonly #restore = (): void => {
    this.#output.write(showCursor);
  };
  #pending = '';
  #frame: readonly string[] = [];
  #columns: number;
  #disposed = false;

  constructor(output: Output) {
    this.#output = output;
    this.#columns = this.columns;
    // log-update works out what to erase and what to write; it writes into memory, `#flush` to the terminal.
    const size = {columns: () => this.columns, rows: () => this.rows};
    const sink = {
      get columns(): number {
        return size.columns();
      },
      get rows(): number {
        return size.rows();
      },
      write: (text: string): boolean => {
        this.#pending += text;
        return true;
      },
    };
    this.#draw = createLogUpdate(sink as unknown as NodeJS.WritableStream, {showCursor: true});
    this.#output.write(hideCursor);
    // Also when the process is ended from elsewhere: nobody wants a terminal without a cursor.
    process.on('exit', this.#restore);
  }

  get columns(): number {
    return this.#output.columns || 80;
  }

  get rows(): number {
    return this.#output.rows || 24;
  }

  /** Prints `above` for good and draws `frame` below it. */
  update(above: readonly string[], frame: readonly string[]): void {
    if (this.#disposed) return;
    this.#forgetReflowedFrame();
    if (above.length > 0) {
      this.#draw.clear();
      this.#pending += above.map((line) => `${line}\n`).join('');
      this.#frame = [];
    }
    if (frame.length > 0) this.#draw(frame.join('\n'));
    else if (this.#frame.length > 0) this.#draw.clear();
    this.#frame = frame;
    this.#flush();
  }

  [Symbol.dispose](): void {
    if (this.#disposed) return;
    this.update([], []);
    this.#disposed = true;
    process.off('exit', this.#restore);
    this.#restore();
  }

  /**
   * A terminal that became narrower has broken the lines of the last frame into more rows than log-update knows of:
   * all of them are erased here.
   */
  #forgetReflowedFrame(): void {
    const columns = this.columns;
    if (columns < this.#columns && this.#frame.length > 0) {
      const rows = this.#frame.reduce(
        (sum, line) => sum + Math.max(1, Math.ceil(widthOf(line) / columns)),
        0,
      );
      this.#pending += `\u001B[${rows}A\r\u001B[0J`;
      this.#draw.done();
      this.#frame = [];
    }
    this.#columns = columns;
  }

  #flush(): void {
    if (this.#pending === '') return;
    this.#output.write(beginSynchronized + this.#pending + endSynchronized);
    this.#pending = '';
  }
}
