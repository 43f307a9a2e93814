import type {ConfigIssue, Excerpt} from './config-error.ts';
import type {Span} from './json-document.ts';

/** What is wrong at a place of a text. */
export type Problem = Omit<ConfigIssue, 'file' | 'line' | 'column' | 'excerpt'> & {readonly span: Span};

/** Characters of a long line that are shown before and after the start of the bad part. */
const before = 40;
const after = 70;

/** A text file whose offsets can be turned into lines and columns. */
export class SourceText {
  /** Absolute. */
  readonly file: string;
  readonly text: string;
  readonly #lineStarts: readonly number[];

  constructor(file: string, text: string) {
    this.file = file;
    this.text = text;
    this.#lineStarts = [0, ...Array.from(text.matchAll(/\r\n|\n|\r/g), (end) => end.index + end[0].length)];
  }

  /** The line that holds `offset`, from 1. */
  lineAt(offset: number): number {
    let low = 0;
    let high = this.#lineStarts.length;
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      if (this.#startOf(middle) <= offset) {
        low = middle;
      } else {
        high = middle;
      }
    }
    return low + 1;
  }

  /**
   * The issue for a problem.
   *
   * @param printable The text with its secrets masked, of the same length.
   */
  toIssue({span, ...problem}: Problem, printable: string): ConfigIssue {
    const line = this.lineAt(span.offset);
    const column = span.offset - this.#startOf(line - 1) + 1;
    const excerpt = this.#excerpt(line, column - 1, span.length, printable);
    return {file: this.file, line, column, ...problem, ...(excerpt === undefined ? {} : {excerpt})};
  }

  #excerpt(line: number, start: number, length: number, printable: string): Excerpt | undefined {
    const lineStart = this.#startOf(line - 1);
    const lineEnd = this.#lineStarts[line] ?? printable.length;
    const whole = printable.slice(lineStart, lineEnd).trimEnd();
    if (whole === '') {
      return undefined;
    }
    const indent = whole.length - whole.trimStart().length;
    const long = whole.length - indent > before + after;
    const from = long ? Math.max(indent, start - before) : Math.min(indent, start);
    const to = long ? Math.min(whole.length, start + after) : whole.length;
    const head = from > indent ? '…' : '';
    const tail = to < whole.length ? '…' : '';
    const underlined = Math.max(1, Math.min(length, to - start));
    return {
      text: head + replaceUnprintable(whole.slice(from, to)) + tail,
      start: start - from + head.length,
      length: underlined,
    };
  }

  #startOf(index: number): number {
    return this.#lineStarts[index] ?? 0;
  }
}

/** Escape sequences and direction marks would let a file write to the terminal of who reads the error. */
function replaceUnprintable(text: string): string {
  return text.replaceAll(/[^\t\P{C}]|[\u2028\u2029]/gu, (character) => '\ufffd'.repeat(character.length));
}

/** `text` in double quotes, shortened, with nothing in it that a terminal would obey. */
export function quote(text: string): string {
  const short = text.length > 60 ? `${text.slice(0, 57)}…` : text;
  return JSON.stringify(short).replaceAll(
    /[\p{C}\u2028\u2029]/gu,
    (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`,
  );
}
