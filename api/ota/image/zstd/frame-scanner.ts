import {OtaError} from '../../ota-error.ts';

const magic = 0xfd2fb528;
/** What every reader of images can decompress (window log 27). */
const maxWindow = 2 ** 27;
const maxBlock = 128 * 1024;
const maxHeader = 18;

/**
 * Follows the structure of a zstd frame without decompressing it (RFC 8878, section 3.1). Images hold exactly one frame,
 * without a dictionary; everything else is refused, because readers in the field disagree about it.
 */
export class FrameScanner {
  readonly #what: string;
  #head: Buffer = Buffer.alloc(0);
  #contentSize: number | undefined;
  #outputBound = 0;
  #hasChecksum = false;
  #skip = 0;
  #state: 'header' | 'block' | 'trailer' | 'end' = 'header';

  /** `what` names the data in messages. */
  constructor(what: string) {
    this.#what = what;
  }

  /** What the frame says of its content, once its header was seen; it may lie. */
  get contentSize(): number | undefined {
    return this.#contentSize;
  }

  /** The most that the blocks seen so far can decompress to; no lie is possible. */
  get outputBound(): number {
    return this.#outputBound;
  }

  /** @throws {OtaError} ZSTD_INVALID */
  push(piece: Uint8Array): void {
    let at = 0;
    while (at < piece.length) {
      const skipped = Math.min(this.#skip, piece.length - at);
      at += skipped;
      this.#skip -= skipped;
      if (this.#skip > 0) return;
      at = this.#step(piece, at);
    }
    if (this.#skip === 0 && this.#state === 'trailer') this.#state = 'end';
  }

  /** @throws {OtaError} ZSTD_INVALID unless the frame is complete */
  end(): void {
    if (this.#skip > 0 || this.#state !== 'end') throw this.#invalid('it is truncated');
  }

  #step(piece: Uint8Array, at: number): number {
    switch (this.#state) {
      case 'header':
        return this.#readHeader(piece, at);
      case 'block':
        return this.#readBlock(piece, at);
      case 'trailer':
        this.#state = 'end';
        return at;
      case 'end':
        if (at < piece.length) throw this.#invalid('something follows its frame');
        return at;
    }
  }

  /** Collects up to `length` bytes over the borders of pieces. */
  #collect(piece: Uint8Array, at: number, length: number): number {
    const taken = piece.subarray(at, at + length - this.#head.length);
    this.#head = Buffer.concat([this.#head, taken]);
    return at + taken.length;
  }

  #readHeader(piece: Uint8Array, start: number): number {
    let at = this.#head.length < 5 ? this.#collect(piece, start, 5) : start;
    if (this.#head.length >= 4 && this.#head.readUInt32LE(0) !== magic)
      throw this.#invalid('it is not a zstd frame');
    if (this.#head.length < 5) return at;
    const descriptor = this.#head[4] ?? 0;
    const isSingleSegment = (descriptor & 0x20) !== 0;
    const dictionaryWidth = [0, 1, 2, 4][descriptor & 3] ?? 0;
    const sizeWidth = [isSingleSegment ? 1 : 0, 2, 4, 8][descriptor >> 6] ?? 0;
    const length = 5 + (isSingleSegment ? 0 : 1) + dictionaryWidth + sizeWidth;
    if (length > maxHeader || (descriptor & 0x08) !== 0) throw this.#invalid('its header is malformed');
    at = this.#collect(piece, at, length);
    if (this.#head.length < length) return at;
    const sizeAt = length - sizeWidth;
    if (this.#head.subarray(sizeAt - dictionaryWidth, sizeAt).some((byte) => byte !== 0)) {
      throw this.#invalid('it needs a dictionary');
    }
    this.#contentSize = this.#readSize(sizeAt, sizeWidth);
    this.#hasChecksum = (descriptor & 0x04) !== 0;
    const window = isSingleSegment ? (this.#contentSize ?? 0) : windowSize(this.#head[5] ?? 0);
    if (window > maxWindow) throw this.#invalid('it needs more than 128 MiB of memory');
    this.#begin('block');
    return at;
  }

  #readSize(at: number, width: number): number | undefined {
    if (width === 0) return undefined;
    if (width === 8) {
      const size = this.#head.readBigUInt64LE(at);
      if (size > BigInt(Number.MAX_SAFE_INTEGER)) throw this.#invalid('its header is malformed');
      return Number(size);
    }
    return this.#head.readUIntLE(at, width) + (width === 2 ? 256 : 0);
  }

  #readBlock(piece: Uint8Array, start: number): number {
    const at = this.#collect(piece, start, 3);
    if (this.#head.length < 3) return at;
    const header = this.#head.readUIntLE(0, 3);
    const size = header >> 3;
    const type = (header >> 1) & 3;
    if (type === 3 || size > maxBlock) throw this.#invalid('a block of it is malformed');
    // Raw, run of one byte, compressed.
    this.#skip = type === 1 ? 1 : size;
    this.#outputBound += type === 2 ? maxBlock : size;
    const isLast = (header & 1) !== 0;
    if (isLast && this.#hasChecksum) this.#skip += 4;
    this.#begin(isLast ? 'trailer' : 'block');
    return at;
  }

  #begin(state: 'block' | 'trailer'): void {
    this.#state = state;
    this.#head = Buffer.alloc(0);
  }

  #invalid(problem: string): OtaError {
    return new OtaError('ZSTD_INVALID', `${this.#what} cannot be decompressed: ${problem}`);
  }
}

function windowSize(byte: number): number {
  const base = 2 ** (10 + (byte >> 3));
  return base + (base / 8) * (byte & 7);
}
