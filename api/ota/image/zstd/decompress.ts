import zstd from '@toondepauw/node-zstd';
import {OtaError} from '../../ota-error.ts';
import {noteNativeBuffer} from '../../native-memory.ts';
import {FrameScanner} from './frame-scanner.ts';

/** Up to this size a frame is decompressed in one piece; larger ones are streamed. */
export const maxWholeSize = 64 * 1024 * 1024;
/** Honest frames with small blocks promise more than they hold, but not more than this many times. */
const maxLoose = 8;
/** A frame that can give no more than this is never worth streaming. */
const smallOutput = 16 * 1024 * 1024;

const decoder = new zstd.Decoder();

/** How many bytes a frame must give, or the most that it may give where nothing says how many. */
export type ExpectedSize = number | {readonly atMost: number};

/**
 * Decompresses one frame of at most {@link maxWholeSize} bytes; or undefined if only streaming can tell how much it
 * gives. Before anything is decompressed, the frame's own structure bounds its output.
 * @throws {OtaError} ZSTD_INVALID, BLOB_CORRUPT if it gives another number of bytes
 */
export function decompressWhole(frame: Uint8Array, size: ExpectedSize, what: string): Buffer | undefined {
  const scanner = new FrameScanner(what);
  scanner.push(frame);
  scanner.end();
  const {contentSize, outputBound} = scanner;
  if (typeof size === 'number') {
    if ((contentSize ?? size) !== size || outputBound < size) throw wrongSize(what, size);
    if (size > maxWholeSize || outputBound > Math.max(size * maxLoose, smallOutput)) return undefined;
  } else if (outputBound > Math.min(size.atMost, maxWholeSize)) {
    return undefined;
  }
  let bytes: Buffer;
  try {
    bytes = decoder.decodeSync(Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength));
  } catch (error) {
    throw new OtaError('ZSTD_INVALID', `${what} cannot be decompressed: ${(error as Error).message}`);
  }
  noteNativeBuffer(bytes.length);
  if (!isExpected(bytes.length, size)) throw wrongSize(what, size);
  return bytes;
}

export function isExpected(length: number, size: ExpectedSize): boolean {
  return typeof size === 'number' ? length === size : length <= size.atMost;
}

export function wrongSize(what: string, size: ExpectedSize): OtaError {
  const wanted =
    typeof size === 'number' ? `to ${size} bytes, as the table says` : `to at most ${size.atMost} bytes`;
  return new OtaError('BLOB_CORRUPT', `${what} does not decompress ${wanted}`);
}
