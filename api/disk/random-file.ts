import {open, type FileHandle} from 'node:fs/promises';
import type {ByteSource} from './byte-source.ts';

/** A part of a file that is read and written at any place; `close` it. */
export class RandomFile implements ByteSource, AsyncDisposable {
  readonly sizeBytes: number;
  readonly #handle: FileHandle;
  readonly #start: number;

  private constructor(handle: FileHandle, start: number, sizeBytes: number) {
    this.#handle = handle;
    this.#start = start;
    this.sizeBytes = sizeBytes;
  }

  /** @param part Where it begins, and how long it is; all of the file when absent. */
  static async open(
    path: string,
    part?: {readonly start: number; readonly length: number},
  ): Promise<RandomFile> {
    const handle = await open(path, 'r+');
    return new RandomFile(handle, part?.start ?? 0, part?.length ?? (await handle.stat()).size);
  }

  async read(offset: number, length: number): Promise<Buffer> {
    const block = Buffer.allocUnsafe(Math.max(0, Math.min(length, this.sizeBytes - offset)));
    for (let done = 0; done < block.length;) {
      const {bytesRead} = await this.#handle.read(
        block,
        done,
        block.length - done,
        this.#start + offset + done,
      );
      if (bytesRead === 0) return block.subarray(0, done);
      done += bytesRead;
    }
    return block;
  }

  /** Writes all of `bytes`, which must lie inside. */
  async write(offset: number, bytes: Uint8Array): Promise<void> {
    if (offset < 0 || offset + bytes.length > this.sizeBytes)
      throw new RangeError(`write of ${bytes.length} bytes at ${offset} of ${this.sizeBytes}`);
    for (let done = 0; done < bytes.length;) {
      const {bytesWritten} = await this.#handle.write(
        bytes,
        done,
        bytes.length - done,
        this.#start + offset + done,
      );
      done += bytesWritten;
    }
  }

  /** Returns when the disk has it. */
  async sync(): Promise<void> {
    await this.#handle.datasync();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle.close();
  }
}
