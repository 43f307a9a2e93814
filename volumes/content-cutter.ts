import {createHash} from 'node:crypto';

const mebibyte = 1024 ** 2;

/** What is all zero over so many aligned bytes is a hole, wherever the file system that has the file says there is one. */
const block = 4096;
const zeros = Buffer.alloc(block);

/** More parts than this would make a manifest that registries refuse (4 MiB). */
const mostParts = 8192;

/** A piece of a file. */
export interface CutPart {
  readonly offset: number;
  readonly content: Buffer;
}

/**
 * Cuts files where their content says so: a rolling hash over the last bytes ends a part. What two files have in common
 * is therefore cut in the same way, also where it lies at another offset, and is kept once.
 *
 * The same content gives the same parts, whatever holes the file had where it was read.
 */
export class ContentCutter {
  readonly #onPart: (part: CutPart) => Promise<void>;
  readonly #least: number;
  readonly #mask: number;
  readonly #buffer: Buffer;
  /** Bytes of `#buffer` that wait, the offset of the first of them, and how far the hash has come. */
  #filled = 0;
  #start = 0;
  #scanned = 0;
  #hash = 0;

  /** @param sizeBytes of the file: parts of larger ones are larger. */
  constructor(sizeBytes: number, onPart: (part: CutPart) => Promise<void>) {
    this.#onPart = onPart;
    let average = mebibyte;
    while (sizeBytes / average > mostParts / 2) average *= 2;
    this.#least = average / 4;
    // The high bits, because they depend on the most bytes.
    this.#mask = ((average - 1) << (32 - Math.log2(average))) >>> 0;
    this.#buffer = Buffer.allocUnsafe(average * 4);
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
    let hash = this.#hash;
    const buffer = this.#buffer;
    const last = buffer.length - block;
    for (let at = Math.max(this.#scanned, this.#least); at < this.#filled; at++) {
      hash = ((hash << 1) + (gear[buffer[at] as number] as number)) | 0;
      if ((hash & this.#mask) === 0 || at === last) {
        await this.#emit(at + 1);
        return;
      }
    }
    this.#scanned = this.#filled;
    this.#hash = hash;
  }

  async #emit(length: number): Promise<void> {
    const content = Buffer.from(this.#buffer.subarray(0, length));
    const offset = this.#start;
    this.#buffer.copyWithin(0, length, this.#filled);
    this.#filled -= length;
    this.#start += length;
    this.#scanned = 0;
    this.#hash = 0;
    await this.#onPart({offset, content});
  }

  async #flush(): Promise<void> {
    if (this.#filled > 0) await this.#emit(this.#filled);
    this.#scanned = 0;
    this.#hash = 0;
  }
}

/** A random number for each byte: the same on every machine and for good, or equal content would be cut differently. */
const gear = Int32Array.from({length: 256}, (_, byte) =>
  createHash('sha256').update(`hypriotkit gear ${byte}`).digest().readInt32LE(),
);
