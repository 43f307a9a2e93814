import {open, type FileHandle} from 'node:fs/promises';

/** Bytes that are read once, from front to back. */
export interface ByteReader {
  /** How many bytes have been read or skipped. */
  readonly position: number;
  /** The next `length` bytes, fewer at the end; valid until the next call. For headers and small files. */
  read(length: number): Promise<Buffer>;
  /** Leaves out up to `length` bytes and says how many there were. */
  skip(length: number): Promise<number>;
  /** The next `length` bytes in pieces, fewer at the end; each piece is valid until the next one. */
  pieces(length: number): AsyncGenerator<Buffer, void>;
}

/** Enough that a file with many small members is read in few calls. */
const windowBytes = 1024 * 1024;

/** A file as {@link ByteReader}: what is skipped is not read. `close` it. */
export class FileByteReader implements ByteReader, AsyncDisposable {
  readonly #handle: FileHandle;
  readonly #sizeBytes: number;
  readonly #window = Buffer.allocUnsafe(windowBytes);
  #windowStart = 0;
  #windowLength = 0;
  #position = 0;

  constructor(handle: FileHandle, sizeBytes: number) {
    this.#handle = handle;
    this.#sizeBytes = sizeBytes;
  }

  static async open(path: string): Promise<FileByteReader> {
    const handle = await open(path, 'r');
    return new FileByteReader(handle, (await handle.stat()).size);
  }

  get position(): number {
    return this.#position;
  }

  async read(length: number): Promise<Buffer> {
    if (length > windowBytes) return readAll(this, length);
    if (this.#position + length > this.#windowStart + this.#windowLength) await this.#refill();
    const from = this.#position - this.#windowStart;
    const piece = this.#window.subarray(from, Math.min(from + length, this.#windowLength));
    this.#position += piece.length;
    return piece;
  }

  skip(length: number): Promise<number> {
    const skipped = Math.max(0, Math.min(length, this.#sizeBytes - this.#position));
    this.#position += skipped;
    // What is left of the window may lie behind us now, or far before us: the next read looks.
    if (this.#position > this.#windowStart + this.#windowLength) this.#windowLength = 0;
    return Promise.resolve(skipped);
  }

  async *pieces(length: number): AsyncGenerator<Buffer, void> {
    for (let left = length; left > 0;) {
      const piece = await this.read(Math.min(left, windowBytes));
      if (piece.length === 0) return;
      left -= piece.length;
      yield piece;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle.close();
  }

  async #refill(): Promise<void> {
    this.#windowStart = this.#position;
    this.#windowLength = 0;
    while (this.#windowLength < windowBytes) {
      const {bytesRead} = await this.#handle.read(
        this.#window,
        this.#windowLength,
        windowBytes - this.#windowLength,
        this.#windowStart + this.#windowLength,
      );
      if (bytesRead === 0) break;
      this.#windowLength += bytesRead;
    }
  }
}

/** A stream as {@link ByteReader}. */
export class StreamByteReader implements ByteReader {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #rest: Buffer = Buffer.alloc(0);
  #position = 0;

  constructor(stream: AsyncIterable<Uint8Array>) {
    this.#chunks = stream[Symbol.asyncIterator]();
  }

  get position(): number {
    return this.#position;
  }

  read(length: number): Promise<Buffer> {
    return readAll(this, length);
  }

  async skip(length: number): Promise<number> {
    let skipped = 0;
    for await (const piece of this.pieces(length)) skipped += piece.length;
    return skipped;
  }

  async *pieces(length: number): AsyncGenerator<Buffer, void> {
    for (let left = length; left > 0;) {
      if (this.#rest.length === 0) {
        const next = await this.#chunks.next();
        if (next.done === true) return;
        const {buffer, byteOffset, byteLength} = next.value;
        this.#rest = Buffer.from(buffer, byteOffset, byteLength);
        continue;
      }
      const piece = this.#rest.subarray(0, left);
      this.#rest = this.#rest.subarray(piece.length);
      this.#position += piece.length;
      left -= piece.length;
      yield piece;
    }
  }
}

async function readAll(reader: ByteReader, length: number): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of reader.pieces(length)) {
    // The common case, a header inside one chunk, needs no copy.
    if (pieces.length === 0 && piece.length === length) return piece;
    pieces.push(Buffer.from(piece));
  }
  return Buffer.concat(pieces);
}
