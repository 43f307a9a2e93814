/** Receives the payload of one frame; the buffer is only valid during the call. */
export type FrameListener = (stream: 'stdout' | 'stderr', payload: Buffer) => void;

const headerBytes = 8;

/**
 * Takes the multiplexed stream of a container without a terminal apart: frames of one type byte (1 stdout,
 * 2 stderr), three zero bytes, a big-endian length and the payload (Docker API, "Attach to a container").
 *
 * A cursor over each chunk, so that many tiny frames in one chunk cost no copy and no recursion.
 */
export class LogDemuxer {
  readonly #onFrame: FrameListener;
  #rest: Buffer = Buffer.alloc(0);

  constructor(onFrame: FrameListener) {
    this.#onFrame = onFrame;
  }

  write(chunk: Buffer): void {
    const data = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let at = 0;
    while (data.length - at >= headerBytes) {
      const end = at + headerBytes + data.readUInt32BE(at + 4);
      if (end > data.length) break;
      this.#onFrame(data[at] === 2 ? 'stderr' : 'stdout', data.subarray(at + headerBytes, end));
      at = end;
    }
    this.#rest = data.subarray(at);
  }
}

/** A line longer than this is cut: a program that never ends its line must not fill the memory. */
const maxLineLength = 64 * 1024;

/** Cuts a byte stream into lines; `\r` counts as an end, so that progress bars become lines. */
export class LineSplitter {
  readonly #onLine: (line: string) => void;
  readonly #maxLength: number;
  readonly #decoder = new TextDecoder('utf-8');
  #rest = '';
  #afterReturn = false;

  constructor(onLine: (line: string) => void, maxLength = maxLineLength) {
    this.#onLine = onLine;
    this.#maxLength = maxLength;
  }

  write(chunk: Buffer): void {
    this.#add(this.#decoder.decode(chunk, {stream: true}));
  }

  /** Hands out what is left after the last newline. */
  end(): void {
    this.#add(this.#decoder.decode());
    if (this.#rest !== '') this.#onLine(this.#rest);
    this.#rest = '';
  }

  #add(text: string): void {
    if (text === '') return;
    // The second half of a \r\n whose line has been handed out with the first.
    const fresh = this.#afterReturn && text.startsWith('\n') ? text.slice(1) : text;
    this.#afterReturn = text.endsWith('\r');
    // Only what is new is searched: a long line in many small pieces would otherwise be searched for each of them.
    const lines = fresh.split(/\r\n|\n|\r/);
    lines[0] = this.#rest + (lines[0] ?? '');
    this.#rest = lines.pop() ?? '';
    if (this.#rest.length > this.#maxLength) {
      lines.push(this.#rest);
      this.#rest = '';
    }
    for (const line of lines) this.#onLine(line);
  }
}
