import {createHash, type Hash} from 'node:crypto';
import type {FileHandle} from 'node:fs/promises';

const zeros = Buffer.alloc(1024 * 1024);

/**
 * Writes a file from its start to its end, with holes, and hashes it as it will be read: holes as zeros. Small pieces
 * are gathered, because each write costs more than the bytes of such a piece; while one lot is written, the next is
 * gathered and hashed.
 */
export class SparseFile {
  readonly #file: FileHandle;
  readonly #hash: Hash = createHash('sha256');
  #gathered = Buffer.allocUnsafe(1024 * 1024);
  #spare = Buffer.allocUnsafe(1024 * 1024);
  #writing: Promise<void> = Promise.resolve();
  #gatheredBytes = 0;
  #position = 0;

  constructor(file: FileHandle) {
    this.#file = file;
  }

  /** Bytes of the file so far, holes included. */
  get position(): number {
    return this.#position;
  }

  /** Appends data; the buffer may be used again afterwards. */
  async append(data: Buffer): Promise<void> {
    this.#hash.update(data);
    for (let at = 0; at < data.length;) {
      const taken = data.copy(this.#gathered, this.#gatheredBytes, at);
      at += taken;
      this.#gatheredBytes += taken;
      this.#position += taken;
      if (this.#gatheredBytes === this.#gathered.length) await this.#flush();
    }
  }

  /** Appends zeros that take no room. */
  async skip(bytes: number): Promise<void> {
    if (bytes > 0) await this.#flush();
    for (let left = bytes; left > 0; left -= zeros.length) {
      this.#hash.update(left < zeros.length ? zeros.subarray(0, left) : zeros);
    }
    this.#position += bytes;
  }

  /**
   * Ends the file here.
   *
   * @returns hex SHA-256 of its whole content.
   */
  async finish(): Promise<string> {
    await this.#flush();
    await this.#writing;
    await this.#file.truncate(this.#position);
    return this.#hash.digest('hex');
  }

  /** Begins to write what has been gathered, once what was before it has been written. */
  async #flush(): Promise<void> {
    await this.#writing;
    const data = this.#gathered.subarray(0, this.#gatheredBytes);
    [this.#gathered, this.#spare] = [this.#spare, this.#gathered];
    this.#gatheredBytes = 0;
    this.#writing = this.#write(data, this.#position - data.length);
    // Whoever flushes next is told.
    this.#writing.catch(() => undefined);
  }

  async #write(data: Buffer, start: number): Promise<void> {
    for (let at = 0; at < data.length;) {
      const {bytesWritten} = await this.#file.write(data, at, data.length - at, start + at);
      at += bytesWritten;
    }
  }
}
