import {open, type FileHandle} from 'node:fs/promises';

/** Bytes that can be read anywhere: a file, a part of one, or what a file inside a disk image consists of. */
export interface ByteSource {
  readonly sizeBytes: number;
  /** Reads `length` bytes at `offset`; fewer where the source ends before. */
  read(offset: number, length: number): Promise<Buffer>;
}

/** A run of bytes inside another source; without `start` a hole, which reads as zeros. */
export interface Extent {
  readonly start: number | undefined;
  readonly length: number;
}

/** A file on this machine; `close` it. */
export class FileSource implements ByteSource {
  readonly sizeBytes: number;
  readonly #handle: FileHandle;

  constructor(handle: FileHandle, sizeBytes: number) {
    this.#handle = handle;
    this.sizeBytes = sizeBytes;
  }

  static async open(path: string): Promise<FileSource> {
    const handle = await open(path, 'r');
    return new FileSource(handle, (await handle.stat()).size);
  }

  async read(offset: number, length: number): Promise<Buffer> {
    const wanted = Math.max(0, Math.min(length, this.sizeBytes - offset));
    const block = Buffer.allocUnsafe(wanted);
    return block.subarray(0, await this.readInto(block, offset));
  }

  /** Fills `block` with what lies at `offset`; returns how many bytes there were. */
  async readInto(block: Buffer, offset: number): Promise<number> {
    for (let done = 0; done < block.length;) {
      const {bytesRead} = await this.#handle.read(block, done, block.length - done, offset + done);
      if (bytesRead === 0) return done;
      done += bytesRead;
    }
    return block.length;
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** Bytes in memory. */
export function bufferSource(content: Buffer): ByteSource {
  return {
    sizeBytes: content.length,
    read: (offset, length) => Promise.resolve(content.subarray(offset, offset + length)),
  };
}

/** A part of a source. What lies beyond the end of the source is not there, whatever `length` says. */
export function sliceOf(source: ByteSource, start: number, length: number): ByteSource {
  const sizeBytes = Math.max(0, Math.min(length, source.sizeBytes - start));
  return {
    sizeBytes,
    read: (offset, wanted) => source.read(start + offset, Math.max(0, Math.min(wanted, sizeBytes - offset))),
  };
}

/** The bytes that extents of a source make in their order, cut to `sizeBytes`; what they do not cover reads as zeros. */
export function joinExtents(
  source: ByteSource,
  extents: readonly Extent[],
  sizeBytes: number,
): ByteSource & {readonly extents: readonly Extent[]} {
  return {
    sizeBytes,
    extents,
    read: async (offset, length) => {
      const result = Buffer.alloc(Math.max(0, Math.min(length, sizeBytes - offset)));
      let position = 0;
      for (const extent of extents) {
        const from = Math.max(offset, position);
        const to = Math.min(offset + result.length, position + extent.length);
        if (from < to && extent.start !== undefined) {
          (await source.read(extent.start + from - position, to - from)).copy(result, from - offset);
        }
        position += extent.length;
        if (position >= offset + result.length) break;
      }
      return result;
    },
  };
}
