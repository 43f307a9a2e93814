import {PassThrough, type Readable, type Writable} from 'node:stream';

/** The console did not show what was waited for. */
export class ConsoleError extends Error {
  override readonly name = 'ConsoleError';
}

/** What a console can end a wait with, besides what is waited for. */
const disasters = [
  /Kernel panic - not syncing[^\n]*/,
  /^::error \S+ (.*)\r?\n/m,
  /You are in emergency mode[^\n]*/,
];

/** How much of the past is kept to be searched and shown. */
const keptCharacters = 64 * 1024;

/** A serial console at which a program types and reads: text in, text out, nothing of terminals. */
export class SerialConsole {
  readonly #input: Writable;
  readonly #onLine: (line: string) => void;
  readonly #mirror = new PassThrough();
  #mirroring = false;
  #text = '';
  /** Position in `#text` behind what has been waited for. */
  #seen = 0;
  #partial = '';
  #ended = false;
  #wake: (() => void) | undefined;

  constructor(output: Readable, input: Writable, onLine: (line: string) => void) {
    this.#input = input;
    this.#onLine = onLine;
    const decoder = new TextDecoder();
    output.on('data', (chunk: Buffer) => this.#receive(chunk, decoder.decode(chunk, {stream: true})));
    const end = () => {
      this.#ended = true;
      this.#mirror.end();
      this.#wake?.();
    };
    output.once('end', end).once('close', end).once('error', end);
  }

  send(text: string): void {
    this.#input.write(text);
  }

  /**
   * Waits until the console shows `pattern` in what came after the last match.
   *
   * @throws ConsoleError on a kernel panic, at the end of the machine, or after `timeoutMs`.
   */
  async waitFor(pattern: RegExp, timeoutMs: number, signal?: AbortSignal): Promise<RegExpExecArray> {
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      signal?.throwIfAborted();
      const fresh = this.#text.slice(this.#seen);
      const match = pattern.exec(fresh);
      if (match) {
        this.#seen += match.index + match[0].length;
        return match;
      }
      for (const disaster of disasters) {
        const found = disaster.exec(fresh);
        if (found) throw new ConsoleError((found[1] ?? found[0]).trim());
      }
      if (this.#ended) throw new ConsoleError('the machine stopped');
      const leftMs = deadline - Date.now();
      if (leftMs <= 0)
        throw new ConsoleError(`nothing like ${String(pattern)} within ${Math.round(timeoutMs / 1000)} s`);
      await this.#moreText(Math.min(leftMs, 1000));
    }
  }

  /** The last lines that the console showed. */
  tail(count: number): readonly string[] {
    return this.#text
      .split('\n')
      .map(plainText)
      .filter((line) => line.trim() !== '')
      .slice(-count);
  }

  /** From now on, everything the machine prints, as it comes; and its keyboard. */
  open(): {output: NodeJS.ReadableStream; input: NodeJS.WritableStream} {
    this.#mirroring = true;
    return {output: this.#mirror, input: this.#input};
  }

  #receive(chunk: Buffer, text: string): void {
    if (this.#mirroring) this.#mirror.write(chunk);
    this.#text += text;
    const excess = this.#text.length - keptCharacters;
    if (excess > 0) {
      this.#text = this.#text.slice(excess);
      this.#seen = Math.max(0, this.#seen - excess);
    }
    const lines = (this.#partial + text).split('\n');
    this.#partial = lines.pop() ?? '';
    for (const line of lines) {
      const plain = plainText(line);
      if (plain.trim() !== '') this.#onLine(plain);
    }
    this.#wake?.();
  }

  #moreText(limitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, limitMs);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

/** A line without escape sequences and control characters. */
function plainText(line: string): string {
  return line.replaceAll(/\u001b\[[0-9;?]*[A-Za-z]|\u001b[()][A-Z0-9]|[\u0000-\u0008\u000b-\u001f]/g, '');
}
