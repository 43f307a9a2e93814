import zstd from '@toondepauw/node-zstd';
import {open} from 'node:fs/promises';
import {frameHeader, splitFrame} from '../ota/image/zstd/frame-parts.ts';

/** Most content is packed already; a higher level takes longer and saves next to nothing. */
const level = 3;
const frameBytes = 4 * 1024 * 1024;
const atOnce = 4;

/**
 * Packs an image as zstd, in frames that can be read one by one and in parallel: the same bytes on every machine. Needs
 * as much memory as a few frames, whatever the size.
 *
 * @param onProgress gets bytes of the image.
 */
export async function packImage(
  image: string,
  packed: string,
  {signal, onProgress}: {readonly signal: AbortSignal; readonly onProgress: (bytes: number) => void},
): Promise<void> {
  const input = await open(image, 'r');
  try {
    const {size} = await input.stat();
    const output = await open(packed, 'wx');
    try {
      const packer = new FramePacker();
      const running: Promise<Buffer>[] = [];
      let done = 0;
      const writeNext = async () => {
        const frame = await running.shift();
        if (frame !== undefined) await output.writeFile(frame);
        onProgress((done = Math.min(size, done + frameBytes)));
      };
      for (let offset = 0; offset < size; offset += frameBytes) {
        signal.throwIfAborted();
        const bytes = Buffer.allocUnsafe(Math.min(frameBytes, size - offset));
        await readFully(input, bytes, offset);
        const frame = packer.pack(bytes);
        // A failure is met when its turn comes.
        frame.catch(() => undefined);
        running.push(frame);
        if (running.length >= atOnce) await writeNext();
      }
      while (running.length > 0) await writeNext();
    } finally {
      await output.close();
    }
  } finally {
    await input.close();
  }
}

class FramePacker {
  readonly #encoder = new zstd.Encoder(level);
  readonly #zeros = Buffer.alloc(frameBytes);
  #emptyFrame: Promise<Buffer> | undefined;

  /** Most of a card is empty: that is packed once. */
  pack(bytes: Buffer): Promise<Buffer> {
    if (bytes.equals(this.#zeros)) return (this.#emptyFrame ??= this.#encode(this.#zeros));
    return this.#encode(bytes);
  }

  async #encode(bytes: Buffer): Promise<Buffer> {
    const {windowByte, blocks} = splitFrame(await this.#encoder.encode(bytes));
    return Buffer.concat([frameHeader(bytes.length, windowByte), blocks]);
  }
}

async function readFully(
  file: {
    read(buffer: Buffer, offset: number, length: number, position: number): Promise<{bytesRead: number}>;
  },
  bytes: Buffer,
  position: number,
): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const {bytesRead} = await file.read(bytes, done, bytes.length - done, position + done);
    if (bytesRead === 0) throw new Error('the image ends before its end');
    done += bytesRead;
  }
}
