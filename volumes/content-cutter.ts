const mebibyte = 1024 ** 2;

/** What is all zero over so many aligned bytes is a hole, wherever the file system that has the file says there is one. */
const block = 4096;
const zeros = Buffer.alloc(block);

/** More parts than this would make a manifest that registries refuse (4 MiB). */
const mostParts = 8192;

/**
 * A part ends after these two bytes and one whose lowest bits are zero: in what is packed, that is once in a mebibyte
 * for four bits. Workers of a swarm cut in the same way (`cut_after` in `build-images/swarm_worker/worker`).
 */
const marker = Buffer.from([0xd7, 0x3b]);
const markerBits = 16;
const markedBytes = 3;

/** A piece of a file. */
export interface CutPart {
  readonly offset: number;
  readonly content: Buffer;
}

/**
 * Cuts files where their content says so, and not at offsets. What two files have in common is therefore cut in the same
 * way, also where it lies at another offset, and is kept once.
 *
 * The same content gives the same parts, whatever holes the file had where it was read.
 */
export class ContentCutter {
  readonly #onPart: (part: CutPart) => Promise<void>;
  readonly #least: number;
  readonly #most: number;
  readonly #mask: number;
  readonly #buffer: Buffer;
  /** Bytes of `#buffer` that wait, the offset of the first of them, and how many hold no end. */
  #filled = 0;
  #start = 0;
  #scanned = 0;

  /** @param sizeBytes of the file: parts of larger ones are larger. */
  constructor(sizeBytes: number, onPart: (part: CutPart) => Promise<void>) {
    this.#onPart = onPart;
    let average = mebibyte;
    while (sizeBytes / average > mostParts / 2 && average < 16 * mebibyte) average *= 2;
    this.#least = average / 4;
    this.#most = average * 4;
    this.#mask = (1 << (Math.log2(average) - markerBits)) - 1;
    this.#buffer = Buffer.allocUnsafe(this.#most + block);
  }

  /** Takes the next data of the file; between the last and this there may be a hole. */
  async write(offset: number, data: Buffer): Promise<void> {
    for (let at = 0; at < data.length;) {
      // Up to the next block of the file, so that zeros are found in whole blocks.
      const position = offset + at;
      const length = Math.min(data.length - at, block - (position % block));
      const piece = data.subarray(at, at + length);
      at += length;
      if (length === block && piece.equals(zeros)) await this.#flush();
      else await this.#append(position, piece);
    }
  }

  /** Hands out the last part. */
  async finish(): Promise<void> {
    await this.#flush();
  }

  async #append(position: number, piece: Buffer): Promise<void> {
    if (position !== this.#start + this.#filled) {
      await this.#flush();
      this.#start = position;
    }
    piece.copy(this.#buffer, this.#filled);
    this.#filled += piece.length;
    await this.#cut();
    // A piece is at most one block, and a full buffer is always cut: there is room for the next one.
  }

  async #cut(): Promise<void> {
    const waiting = this.#buffer.subarray(0, Math.min(this.#filled, this.#most));
    let from = Math.max(this.#scanned, this.#least - markedBytes);
    for (;;) {
      const found = waiting.indexOf(marker, from);
      const after = found + markedBytes;
      if (found === -1 || after > waiting.length) break;
      if (((waiting[after - 1] ?? 0) & this.#mask) === 0) return this.#emit(after);
      from = found + 1;
    }
    if (waiting.length === this.#most) return this.#emit(this.#most);
    // The next bytes may complete a mark.
    this.#scanned = Math.max(from, this.#filled - markedBytes + 1);
  }

  async #emit(length: number): Promise<void> {
    const content = Buffer.from(this.#buffer.subarray(0, length));
    const offset = this.#start;
    this.#buffer.copyWithin(0, length, this.#filled);
    this.#filled -= length;
    this.#start += length;
    this.#scanned = 0;
    await this.#onPart({offset, content});
  }

  async #flush(): Promise<void> {
    if (this.#filled > 0) await this.#emit(this.#filled);
    this.#scanned = 0;
  }
}
