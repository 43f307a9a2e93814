import type {FileHandle} from 'node:fs/promises';
import {SparseFile} from './sparse-file.ts';

const recordBytes = 16;

/**
 * Writes the stream of `sparse-cat` to a file: records of offset and length (two unsigned 64-bit big-endian integers)
 * followed by that many bytes; the last one has the file's size and length 0. What lies between is left as a hole.
 * Hashes the file as it will be read: holes as zeros.
 */
export class SparseFileWriter {
  readonly #file: SparseFile;
  #header: Buffer = Buffer.alloc(0);
  #left = 0;
  #ended = false;

  constructor(file: FileHandle) {
    this.#file = new SparseFile(file);
  }

  /** Bytes of the file that are settled, holes included. */
  get position(): number {
    return this.#file.position;
  }

  async write(chunk: Buffer): Promise<void> {
    let rest = chunk;
    while (rest.length > 0) {
      if (this.#left > 0) {
        const data = rest.subarray(0, this.#left);
        rest = rest.subarray(data.length);
        await this.#file.append(data);
        this.#left -= data.length;
        continue;
      }
      const wanted = recordBytes - this.#header.length;
      this.#header = Buffer.concat([this.#header, rest.subarray(0, wanted)]);
      rest = rest.subarray(wanted);
      if (this.#header.length === recordBytes) await this.#startRecord();
    }
  }

  /**
   * Ends the file.
   *
   * @returns hex SHA-256 of its whole content.
   * @throws Error when the stream was cut off.
   */
  async finish(): Promise<string> {
    if (!this.#ended || this.#left > 0) throw new Error('the volume stopped sending in the middle of a file');
    return this.#file.finish();
  }

  async #startRecord(): Promise<void> {
    const offset = Number(this.#header.readBigUInt64BE(0));
    const length = Number(this.#header.readBigUInt64BE(8));
    this.#header = Buffer.alloc(0);
    if (this.#ended || offset < this.position) throw new Error('the volume sent a file out of order');
    await this.#file.skip(offset - this.position);
    this.#left = length;
    this.#ended = length === 0;
  }
}
