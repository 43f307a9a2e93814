/** Offset and length, two unsigned 64-bit big-endian integers. */
const recordBytes = 16;

/**
 * The head of a piece of a sparse file: `length` bytes that belong at `offset` follow. The last record of a file has
 * the file's size as its offset, and length 0.
 */
export function formatRecord(offset: number, length: number): Buffer {
  const record = Buffer.alloc(recordBytes);
  record.writeBigUInt64BE(BigInt(offset), 0);
  record.writeBigUInt64BE(BigInt(length), 8);
  return record;
}

/** Takes a stream of such records apart, however it was cut on its way. */
export class SparseRecordReader {
  readonly #onData: (offset: number, data: Buffer) => Promise<void> | void;
  #header: Buffer = Buffer.alloc(0);
  #offset = 0;
  #left = 0;
  #size: number | undefined;

  /** @param onData is given the pieces in order; a buffer may be used again once it returns. */
  constructor(onData: (offset: number, data: Buffer) => Promise<void> | void) {
    this.#onData = onData;
  }

  async write(chunk: Buffer): Promise<void> {
    for (let rest = chunk; rest.length > 0;) {
      if (this.#size !== undefined) throw new Error('there is something behind the end of a file');
      if (this.#left > 0) {
        const data = rest.subarray(0, this.#left);
        rest = rest.subarray(data.length);
        await this.#onData(this.#offset, data);
        this.#offset += data.length;
        this.#left -= data.length;
        continue;
      }
      const wanted = recordBytes - this.#header.length;
      this.#header = Buffer.concat([this.#header, rest.subarray(0, wanted)]);
      rest = rest.subarray(wanted);
      if (this.#header.length === recordBytes) this.#startRecord();
    }
  }

  /**
   * Ends the stream.
   *
   * @returns the size of the file.
   * @throws Error when it was cut off.
   */
  finish(): number {
    if (this.#size === undefined) throw new Error('the volume stopped sending in the middle of a file');
    return this.#size;
  }

  #startRecord(): void {
    const offset = Number(this.#header.readBigUInt64BE(0));
    this.#left = Number(this.#header.readBigUInt64BE(8));
    this.#header = Buffer.alloc(0);
    if (offset < this.#offset) throw new Error('the pieces of a file do not follow each other');
    this.#offset = offset;
    if (this.#left === 0) this.#size = offset;
  }
}
