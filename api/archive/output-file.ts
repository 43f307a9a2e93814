import {open, type FileHandle} from 'node:fs/promises';

const bufferBytes = 1024 * 1024;

/**
 * A file that is written from front to back through two buffers: while the kernel takes one, the other is filled.
 * Its memory is the same for a file of any size.
 */
export class OutputFile {
  readonly #handle: FileHandle;
  #buffer: Buffer;
  #other: Buffer;
  #used = 0;
  #pending: Promise<unknown> = Promise.resolve();
  #position = 0;

  private constructor(handle: FileHandle, length: number) {
    this.#handle = handle;
    this.#buffer = Buffer.allocUnsafe(length);
    this.#other = Buffer.allocUnsafe(length);
  }

  /**
   * Creates `path`, which must not exist.
   *
   * @param expectedBytes Its size where it is known: small files need small buffers only.
   */
  static async create(path: string, expectedBytes = bufferBytes): Promise<OutputFile> {
    return new OutputFile(await open(path, 'wx', 0o644), Math.max(1, Math.min(bufferBytes, expectedBytes)));
  }

  /** How many bytes have been written. */
  get position(): number {
    return this.#position + this.#used;
  }

  /** Room for the next bytes, never empty: fill its beginning and say how much with `advance`. */
  get room(): Buffer {
    return this.#buffer.subarray(this.#used);
  }

  /** Takes the first `length` bytes of the room. */
  async advance(length: number): Promise<void> {
    this.#used += length;
    if (this.#used === this.#buffer.length) await this.#flush();
  }

  async write(bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.length;) {
      const piece = bytes.subarray(done, done + this.#buffer.length - this.#used);
      this.#buffer.set(piece, this.#used);
      done += piece.length;
      await this.advance(piece.length);
    }
  }

  /** Forgets what was written from `position` on, as far as it is still in memory. */
  takeBack(position: number): void {
    this.#used = Math.max(0, Math.min(this.#used, position - this.#position));
  }

  /** Writes what is left and closes; with `sync`, which is the default, not before the disk has it. */
  async finish({sync = true} = {}): Promise<void> {
    await this.#flush();
    await this.#pending;
    if (sync) await this.#handle.sync();
    await this.#handle.close();
  }

  /** Closes without writing what is left. */
  async abandon(): Promise<void> {
    await this.#pending.catch(() => undefined);
    await this.#handle.close().catch(() => undefined);
  }

  async #flush(): Promise<void> {
    await this.#pending;
    const full = this.#buffer.subarray(0, this.#used);
    this.#pending = this.#writeAt(full, this.#position);
    // Awaited by the next flush; until then a failure must not count as one that nobody handles.
    this.#pending.catch(() => undefined);
    this.#position += this.#used;
    [this.#buffer, this.#other] = [this.#other, this.#buffer];
    this.#used = 0;
  }

  async #writeAt(bytes: Buffer, position: number): Promise<void> {
    for (let done = 0; done < bytes.length;) {
      const {bytesWritten} = await this.#handle.write(bytes, done, bytes.length - done, position + done);
      done += bytesWritten;
    }
  }
}
