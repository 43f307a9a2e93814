import {closeSync, fstatSync, openSync, readSync} from 'node:fs';
import {OtaError} from '../../ota-error.ts';
import type {RandomAccess} from './zip/zip-entry.ts';

/** A file on this machine, read at any place. Reads block: thousands of small ones are much faster that way. */
export class FileAccess implements RandomAccess, Disposable {
  readonly size: number;
  readonly #fd: number;
  readonly #file: string;

  constructor(file: string) {
    this.#file = file;
    this.#fd = openSync(file, 'r');
    this.size = fstatSync(this.#fd).size;
  }

  read(offset: number, length: number): Promise<Buffer> {
    return Promise.resolve(this.readNow(offset, length));
  }

  /** @throws {OtaError} IO_FAILED if the file ends before */
  readNow(offset: number, length: number): Buffer {
    const bytes = Buffer.allocUnsafe(length);
    let done = 0;
    while (done < length) {
      const count = readSync(this.#fd, bytes, done, length - done, offset + done);
      if (count === 0) throw new OtaError('IO_FAILED', `${this.#file} ends before byte ${offset + length}`);
      done += count;
    }
    return bytes;
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }
}
