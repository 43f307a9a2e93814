import type {FileHandle} from 'node:fs/promises';

/** One frame of a zstd file. */
export interface ZstdFrame {
  /** The whole frame, from its magic number to its checksum. */
  readonly packed: Buffer;
  /** How long its content is, as its header says. */
  readonly contentBytes: number;
}

const magic = 0xfd2fb528;

/** A longest header: magic number, descriptor, window, dictionary, content size (RFC 8878, 3.1.1.1). */
const mostHeaderBytes = 18;

/** Longer content than this is not unpacked in memory. */
const mostContentBytes = 16 * 1024 * 1024;

/**
 * Cuts a zstd file into its frames (RFC 8878, 3.1) without unpacking them. Ends early, with `undefined`, at anything
 * but a frame of at most 16 MiB that says how long its content is and needs no dictionary.
 */
export async function* readZstdFrames(file: FileHandle): AsyncGenerator<ZstdFrame | undefined> {
  const {size} = await file.stat();
  const window = Buffer.allocUnsafe(2 * mostContentBytes);
  let [held, start] = [0, 0];
  for (let at = 0; at < size;) {
    // What is left of the window may hold a frame only in part: fill it up from that frame on.
    if (at + mostContentBytes > start + held && start + held < size) {
      start = at;
      held = await fill(file, window, start);
    }
    const frame = frameAt(window.subarray(at - start, held));
    yield frame;
    if (frame === undefined) return;
    at += frame.packed.length;
  }
}

async function fill(file: FileHandle, window: Buffer, start: number): Promise<number> {
  let held = 0;
  while (held < window.length) {
    const {bytesRead} = await file.read(window, held, window.length - held, start + held);
    if (bytesRead === 0) break;
    held += bytesRead;
  }
  return held;
}

/** The frame that begins at the start of `bytes`. */
function frameAt(bytes: Buffer): ZstdFrame | undefined {
  if (bytes.length < mostHeaderBytes || bytes.readUInt32LE(0) !== magic) return undefined;
  const descriptor = bytes[4] as number;
  const isSingleSegment = (descriptor & 0x20) !== 0;
  if ((descriptor & 0x0b) !== 0) return undefined;
  const sizeBytes = [isSingleSegment ? 1 : 0, 2, 4, 8][descriptor >> 6] as number;
  const sizeAt = isSingleSegment ? 5 : 6;
  if (sizeBytes === 0) return undefined;
  const contentBytes =
    sizeBytes === 8
      ? Number(bytes.readBigUInt64LE(sizeAt))
      : bytes.readUIntLE(sizeAt, sizeBytes) + (sizeBytes === 2 ? 256 : 0);
  if (contentBytes > mostContentBytes) return undefined;
  let at = sizeAt + sizeBytes;
  for (let isLast = false; !isLast;) {
    if (at + 3 > bytes.length) return undefined;
    const header = bytes.readUIntLE(at, 3);
    isLast = (header & 1) === 1;
    // A block of type 1 is one byte that is repeated.
    at += 3 + (((header >> 1) & 3) === 1 ? 1 : header >> 3);
  }
  at += (descriptor & 0x04) === 0 ? 0 : 4;
  return at > bytes.length ? undefined : {packed: bytes.subarray(0, at), contentBytes};
}
