import {closeSync, fstatSync, openSync, readSync, writeSync} from 'node:fs';
import {setImmediate} from 'node:timers/promises';
import {crc32} from 'node:zlib';
import {OtaError} from '../../../ota-error.ts';
import {centralHeader, endRecords, localHeader, type ZipEntry} from './zip-headers.ts';

const bufferBytes = 1024 * 1024;

/**
 * Writes a ZIP artifact in one pass: the local header gets its checksum when the content behind it is written. Blocking
 * in pieces of {@link bufferBytes}, which for many small files is several times faster than asynchronous calls.
 */
export class ZipWriter implements Disposable {
  readonly #file: number;
  readonly #buffer = Buffer.allocUnsafe(bufferBytes);
  readonly #entries: ZipEntry[] = [];
  #position = 0;

  /** `path` must not exist. */
  constructor(path: string) {
    this.#file = openSync(path, 'wx', 0o644);
  }

  /** Adds a folder, by its name with `/` at the end. */
  addFolder(name: string): void {
    const entry = {name, sizeBytes: 0, crc: 0, offset: this.#position};
    this.#entries.push(entry);
    this.#append(localHeader(entry));
  }

  /** Adds the file at `path` as `name`. */
  async addFile(name: string, path: string): Promise<void> {
    const input = openSync(path, 'r');
    try {
      const offset = this.#position;
      const sizeBytes = fstatSync(input).size;
      const headerBytes = localHeader({name, sizeBytes, crc: 0}).length;
      this.#position += headerBytes;
      let crc = 0;
      let left = sizeBytes;
      while (left > 0) {
        const read = readSync(input, this.#buffer, 0, Math.min(left, bufferBytes), null);
        if (read === 0) throw new OtaError('IO_FAILED', `${path} became shorter while it was packed`);
        const piece = this.#buffer.subarray(0, read);
        crc = crc32(piece, crc);
        this.#append(piece);
        left -= read;
        // Signals and other work get their turn.
        if (left > 0) await setImmediate();
      }
      const entry = {name, sizeBytes, crc, offset};
      this.#entries.push(entry);
      writeFully(this.#file, localHeader(entry), offset);
    } finally {
      closeSync(input);
    }
  }

  /** Writes the central directory. */
  finish(): void {
    const directory = Buffer.concat(this.#entries.map(centralHeader));
    const offset = this.#position;
    this.#append(directory);
    this.#append(endRecords(this.#entries.length, directory.length, offset));
  }

  [Symbol.dispose](): void {
    closeSync(this.#file);
  }

  #append(bytes: Buffer): void {
    writeFully(this.#file, bytes, this.#position);
    this.#position += bytes.length;
  }
}

function writeFully(file: number, bytes: Buffer, position: number): void {
  for (let done = 0; done < bytes.length;) {
    done += writeSync(file, bytes, done, bytes.length - done, position + done);
  }
}
