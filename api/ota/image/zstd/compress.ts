import zstd from '@toondepauw/node-zstd';
import {noteNativeBuffer} from '../../native-memory.ts';
import {frameHeader, splitFrame} from './frame-parts.ts';

/**
 * The reference takes 9 for files, and 16 for bundles and tables. 8 needs a tenth less time for files and an eighth of it
 * for the rest; larger files in bundles (`limits`) save more than it costs.
 */
const level = 8;

/** Content up to this size is compressed in one piece, larger content in chunks of this size, or a little more. */
export const chunkBytes = 4 * 1024 * 1024;
export const maxChunkBytes = 2 * chunkBytes;

/** From here on, the settings that an encoder takes for content of unknown size are the right ones. */
const smallBytes = 256 * 1024;

/**
 * The binding cannot tell the encoder how large the content is, and settings for large content make small files larger
 * and slower to compress. But a dictionary of this size makes the encoder take the settings for at most 128 KiB. Its
 * content is of no use to any file, so that nothing ever refers to it, which `compressSmall` makes sure of.
 */
const sizeHint = Buffer.alloc(17_000, Buffer.of(0xc1, 0xf7));

const encoder = new zstd.Encoder(level);
const decoder = new zstd.Decoder();
let smallEncoder: InstanceType<typeof zstd.Encoder> | undefined;

/** Compresses content, which must not be empty, to one frame with its size: the same bytes on every machine. */
export function compress(content: Buffer): Buffer {
  const small = content.length <= smallBytes ? compressSmall(content) : undefined;
  const {windowByte, blocks} = splitFrame(small ?? encode(encoder, content));
  return Buffer.concat([frameHeader(content.length, windowByte), blocks]);
}

function compressSmall(content: Buffer): Buffer | undefined {
  smallEncoder ??= new zstd.Encoder(level, sizeHint);
  const frame = encode(smallEncoder, content);
  try {
    // Without the dictionary: a frame that refers to it does not decompress.
    noteNativeBuffer(content.length);
    return decoder.decodeSync(frame).equals(content) ? frame : undefined;
  } catch {
    return undefined;
  }
}

/** Compresses a chunk of larger content: blocks without a header, the last one marked as such. */
export function compressChunk(content: Buffer): {windowByte: number; blocks: Buffer} {
  return splitFrame(encode(encoder, content));
}

function encode(by: InstanceType<typeof zstd.Encoder>, content: Buffer): Buffer {
  const frame = by.encodeSync(content);
  noteNativeBuffer(frame.length);
  return frame;
}
