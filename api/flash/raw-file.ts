import {constants} from 'node:fs';
import {open, type FileHandle} from 'node:fs/promises';
import {runProgram} from '../run-program.ts';

/** Larger than the blocks of any card or disk. */
const alignment = 4096;

/** A device or file that is read and written past the cache of the kernel, where the file system allows that. */
export class RawFile {
  readonly path: string;
  readonly #handle: FileHandle;
  /** For what is no multiple of a block; and for everything where the cache cannot be passed. */
  readonly #cached: FileHandle;
  readonly #isDirect: boolean;

  private constructor(path: string, handle: FileHandle, cached: FileHandle, isDirect: boolean) {
    this.path = path;
    this.#handle = handle;
    this.#cached = cached;
    this.#isDirect = isDirect;
  }

  /** @param flags Of open(2), besides that for passing the cache. */
  static async open(path: string, flags: number): Promise<RawFile> {
    try {
      const handle = await open(path, flags | constants.O_DIRECT);
      // Not exclusively a second time: the first one holds the device.
      const cached = await open(path, constants.O_RDWR).catch(async (error: unknown) => {
        await handle.close();
        throw error;
      });
      return new RawFile(path, handle, cached, true);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EINVAL') throw error;
      const handle = await open(path, flags);
      return new RawFile(path, handle, handle, false);
    }
  }

  /** Writes all of `bytes`, which should begin at a page, at `offset`, which should be a multiple of a block. */
  async write(bytes: Buffer, offset: number): Promise<void> {
    const direct = this.#directLength(bytes, offset);
    await writeAll(this.#handle, bytes.subarray(0, direct), offset);
    if (direct < bytes.length) await writeAll(this.#cached, bytes.subarray(direct), offset + direct);
  }

  /** Fills `bytes`; returns how many there were. */
  async read(bytes: Buffer, offset: number): Promise<number> {
    const direct = this.#directLength(bytes, offset);
    const done = await readAll(this.#handle, bytes.subarray(0, direct), offset);
    if (done < direct || direct === bytes.length) return done;
    return done + (await readAll(this.#cached, bytes.subarray(direct), offset + direct));
  }

  async truncate(sizeBytes: number): Promise<void> {
    await this.#cached.truncate(sizeBytes);
  }

  /** Returns when all of it is on the medium. */
  async flush(): Promise<void> {
    await this.#cached.sync();
    if (this.#cached !== this.#handle) await this.#handle.sync();
  }

  /** Makes reading ask the medium: without it, verifying would compare with the cache. */
  async dropCache(): Promise<void> {
    if (!this.#isDirect) await runProgram('blockdev', ['--flushbufs', this.path]);
  }

  async close(): Promise<void> {
    await this.#handle.close();
    if (this.#cached !== this.#handle) await this.#cached.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #directLength(bytes: Buffer, offset: number): number {
    if (!this.#isDirect) return bytes.length;
    return offset % alignment === 0 ? Math.floor(bytes.length / alignment) * alignment : 0;
  }
}

async function writeAll(handle: FileHandle, bytes: Buffer, offset: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const {bytesWritten} = await handle.write(bytes, done, bytes.length - done, offset + done);
    done += bytesWritten;
  }
}

async function readAll(handle: FileHandle, bytes: Buffer, offset: number): Promise<number> {
  for (let done = 0; done < bytes.length;) {
    const {bytesRead} = await handle.read(bytes, done, bytes.length - done, offset + done);
    if (bytesRead === 0) return done;
    done += bytesRead;
  }
  return bytes.length;
}
