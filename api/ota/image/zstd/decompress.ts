import zstd from '@toondepauw/node-zstd';
import {OtaError} from '../../ota-error.ts';
import {FrameScanner} from './frame-scanner.ts';

/** Up to this size a frame is decompressed in one piece; larger ones are streamed. */
export const maxWholeSize = 64 * 1024 * 1024;
/** Honest frames with small blocks promise more than they hold, but not more than this many times. */
const maxLoose = 8;

const decoder = new zstd.Decoder();

/**
 * Decompresses one frame that must give exactly `size` bytes, at most {@link maxWholeSize}; or undefined if only
 * streaming can tell how much it gives. Before anything is decompressed, the frame's own structure bounds its output.
 * @throws {OtaError} ZSTD_INVALID, BLOB_CORRUPT if it gives another number of bytes
 */
export function decompressWhole(frame: Uint8Array, size: number, what: string): Buffer | undefined {
  const scanner = new FrameScanner(what);
  scanner.push(frame);
  scanner.end();
  if (scanner.contentSize !== undefined && scanner.contentSize !== size) throw wrongSize(what, size);
  if (scanner.outputBound < size) throw wrongSize(what, size);
  if (size > maxWholeSize || scanner.outputBound > Math.max(size * maxLoose, 16 * 1024 * 1024))
    return undefined;
  let bytes: Buffer;
  try {
    bytes = decoder.decodeSync(Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength));
  } catch (error) {
    throw new OtaError('ZSTD_INVALID', `${what} cannot be decompressed: ${(error as Error).message}`);
  }
  if (bytes.length !== size) throw wrongSize(what, size);
  return bytes;
}

export function wrongSize(what: string, size: number): OtaError {
  return new OtaError('BLOB_CORRUPT', `${what} does not decompress to ${size} bytes, as the table says`);
}
