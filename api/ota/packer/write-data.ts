import {createHash} from 'node:crypto';
import {closeSync, openSync, readSync} from 'node:fs';
import {open, type FileHandle} from 'node:fs/promises';
import type {OutputFile} from '../../archive/output-file.ts';
import {checkContent} from '../legacy/check-content.ts';
import {OtaError} from '../ota-error.ts';
import type {DataFile} from './packer-input.ts';

/** Up to this size reads block, without opening the file anew: that takes less time than to wait for other threads. */
const smallBytes = 4 * 1024 * 1024;
const mostOpenFiles = 8;

/** Copies the files of `data/` to an output, and checks each on the way. Its memory does not depend on their sizes. */
export class DataWriter implements Disposable {
  readonly #output: OutputFile;
  /** Files that hold many contents: tars and spools. The oldest is closed first. */
  readonly #open = new Map<string, number>();

  constructor(output: OutputFile) {
    this.#output = output;
  }

  /**
   * @returns SHA-256 of what was written, in hex
   * @throws {OtaError} BLOB_CORRUPT when the content is not what its name says; IO_FAILED
   */
  async write(file: DataFile): Promise<string> {
    const {stored, check} = file;
    const hash = stored.sha256 === undefined ? createHash('sha256') : undefined;
    if (stored.sizeBytes <= smallBytes) await this.#copySmall(file, hash);
    else await this.#copyLarge(file, hash);
    const found = hash?.digest('hex') ?? stored.sha256 ?? '';
    if (check.kind === 'zst') {
      await checkContent(check.line, stored);
    } else if (found !== check.sha256) {
      const message = `${check.label} has other content (${found}) than it should (${check.sha256})`;
      throw new OtaError('BLOB_CORRUPT', message, {
        hint: 'The image is damaged, or was made wrongly: nothing was packed.',
      });
    }
    return found;
  }

  [Symbol.dispose](): void {
    for (const fd of this.#open.values()) closeSync(fd);
  }

  async #copySmall({stored, name}: DataFile, hash: ReturnType<typeof createHash> | undefined): Promise<void> {
    const fd = this.#fdOf(stored.path);
    for (let done = 0; done < stored.sizeBytes;) {
      const room = this.#output.room;
      const wanted = Math.min(room.length, stored.sizeBytes - done);
      const count = readSync(fd, room, 0, wanted, stored.offset + done);
      if (count === 0) throw endsEarly(stored.path, name);
      hash?.update(room.subarray(0, count));
      done += count;
      await this.#output.advance(count);
    }
  }

  async #copyLarge({stored, name}: DataFile, hash: ReturnType<typeof createHash> | undefined): Promise<void> {
    const handle: FileHandle = await open(stored.path, 'r');
    try {
      for (let done = 0; done < stored.sizeBytes;) {
        const room = this.#output.room;
        const wanted = Math.min(room.length, stored.sizeBytes - done);
        const {bytesRead} = await handle.read(room, 0, wanted, stored.offset + done);
        if (bytesRead === 0) throw endsEarly(stored.path, name);
        hash?.update(room.subarray(0, bytesRead));
        done += bytesRead;
        await this.#output.advance(bytesRead);
      }
    } finally {
      await handle.close();
    }
  }

  #fdOf(path: string): number {
    const known = this.#open.get(path);
    if (known !== undefined) return known;
    const [oldest] = this.#open;
    if (this.#open.size >= mostOpenFiles && oldest !== undefined) {
      closeSync(oldest[1]);
      this.#open.delete(oldest[0]);
    }
    const fd = openSync(path, 'r');
    this.#open.set(path, fd);
    return fd;
  }
}

function endsEarly(path: string, name: string): OtaError {
  return new OtaError('IO_FAILED', `${path} ended while ${name} was read from it`);
}
