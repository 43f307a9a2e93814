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

/** Cuts a byte stream into lines; `\r` counts as an end, so that progress bars become lines. */
export class LineSplitter {
  readonly #onLine: (line: string) => void;
  readonly #decoder = new TextDecoder('utf-8');
  #rest = '';

  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine;
  }

  write(chunk: Buffer): void {
    const lines = (this.#rest + this.#decoder.decode(chunk, {stream: true})).split(/\r\n|\n|\r/);
    this.#rest = lines.pop() ?? '';
    // A program that never ends its line must not fill the memory.
    if (this.#rest.length > maxLineLength) {
      lines.push(this.#rest);
      this.#rest = '';
    }
    for (const line of lines) this.#onLine(line);
  }

  /** Hands out what is left after the last newline. */
  end(): void {
    if (this.#rest !== '') this.#onLine(this.#rest);
    this.#rest = '';
  }
}

const maxLineLength = 64 * 1024;
