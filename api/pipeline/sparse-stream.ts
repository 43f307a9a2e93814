import {createHash, type Hash} from 'node:crypto';
import type {FileHandle} from 'node:fs/promises';

const recordBytes = 16;
const zeros = Buffer.alloc(1024 * 1024);

/**
 * Writes the stream of `sparse-cat` to a file: records of offset and length (two unsigned 64-bit big-endian integers)
 * followed by that many bytes; the last one has the file's size and length 0. What lies between is left as a hole.
 * Hashes the file as it will be read: holes as zeros.
 */
export class SparseFileWriter {
  readonly #file: FileHandle;
  readonly #hash: Hash = createHash('sha256');
  #header: Buffer = Buffer.alloc(0);
  #position = 0;
  #left = 0;
  #size: number | undefined;

  constructor(file: FileHandle) {
    this.#file = file;
  }

  /** Bytes of the file that are settled, holes included. */
  get position(): number {
    return this.#position;
  }

  async write(chunk: Buffer): Promise<void> {
    let rest = chunk;
    while (rest.length > 0) {
      if (this.#left > 0) {
        const data = rest.subarray(0, this.#left);
        rest = rest.subarray(data.length);
        await this.#writeData(data);
        continue;
      }
      const wanted = recordBytes - this.#header.length;
      this.#header = Buffer.concat([this.#header, rest.subarray(0, wanted)]);
      rest = rest.subarray(wanted);
      if (this.#header.length === recordBytes) this.#startRecord();
    }
  }

  /**
   * Ends the file.
   *
   * @returns hex SHA-256 of its whole content.
   * @throws Error when the stream was cut off.
   */
  async finish(): Promise<string> {
    if (this.#size === undefined || this.#left > 0)
      throw new Error('the volume stopped sending in the middle of a file');
    await this.#file.truncate(this.#size);
    return this.#hash.digest('hex');
  }

  #startRecord(): void {
    const offset = Number(this.#header.readBigUInt64BE(0));
    const length = Number(this.#header.readBigUInt64BE(8));
    this.#header = Buffer.alloc(0);
    if (this.#size !== undefined || offset < this.#position)
      throw new Error('the volume sent a file out of order');
    for (let gap = offset - this.#position; gap > 0; gap -= zeros.length) {
      this.#hash.update(gap < zeros.length ? zeros.subarray(0, gap) : zeros);
    }
    this.#position = offset;
    this.#left = length;
    if (length === 0) this.#size = offset;
  }

  async #writeData(data: Buffer): Promise<void> {
    this.#hash.update(data);
    for (let at = 0; at < data.length;) {
      const {bytesWritten} = await this.#file.write(data, at, data.length - at, this.#position + at);
      at += bytesWritten;
    }
    this.#position += data.length;
    this.#left -= data.length;
  }
}
