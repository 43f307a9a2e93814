/** Parts of a zstd frame (RFC 8878, section 3.1.1). */
const magic = Buffer.of(0x28, 0xb5, 0x2f, 0xfd);

const singleSegmentFlag = 0x20;

/** The most bytes that a block may decompress to. */
export const maxBlockBytes = 128 * 1024;

/**
 * The header of a frame whose content is `sizeBytes` long: content size written, no dictionary, no checksum, because
 * every blob is checked by SHA-256. `windowByte` is the window descriptor that the blocks were made for; content that
 * fits into its window is one segment, so that readers reserve no more memory than it needs.
 */
export function frameHeader(sizeBytes: number, windowByte: number): Buffer {
  const isSingleSegment = sizeBytes <= windowBytes(windowByte);
  const {flag, field} = contentSizeField(sizeBytes);
  const descriptor = (flag << 6) | (isSingleSegment ? singleSegmentFlag : 0);
  return Buffer.concat([magic, Buffer.of(descriptor, ...(isSingleSegment ? [] : [windowByte])), field]);
}

function contentSizeField(sizeBytes: number): {flag: number; field: Buffer} {
  if (sizeBytes >= 256 && sizeBytes < 65_536 + 256) {
    const field = Buffer.alloc(2);
    field.writeUInt16LE(sizeBytes - 256);
    return {flag: 1, field};
  }
  if (sizeBytes < 2 ** 32) {
    const field = Buffer.alloc(4);
    field.writeUInt32LE(sizeBytes);
    return {flag: 2, field};
  }
  const field = Buffer.alloc(8);
  field.writeBigUInt64LE(BigInt(sizeBytes));
  return {flag: 3, field};
}

/** Mantissa in the low three bits, exponent above them. */
function windowBytes(windowByte: number): number {
  return 2 ** (10 + (windowByte >> 3)) * (1 + (windowByte & 7) / 8);
}

/** What an encoder made, without its header: that of a stream, which says the window and no content size. */
export function splitFrame(frame: Buffer): {windowByte: number; blocks: Buffer} {
  // Descriptor 0: not one segment, no checksum, no dictionary id, no content size.
  if (!frame.subarray(0, 4).equals(magic) || frame[4] !== 0)
    throw new Error('the encoder wrote a frame of another form');
  return {windowByte: frame.readUInt8(5), blocks: frame.subarray(6)};
}

/** Takes the mark of the last block off, so that more blocks can follow. Changes `blocks`. */
export function openEnd(blocks: Buffer): void {
  for (let at = 0; ;) {
    const header = blocks.readUIntLE(at, 3);
    const isLast = (header & 1) !== 0;
    if (isLast) {
      blocks.writeUInt8(blocks.readUInt8(at) & 0xfe, at);
      return;
    }
    const isRun = ((header >> 1) & 3) === 1;
    at += 3 + (isRun ? 1 : header >> 3);
  }
}

/** A block that holds `content`, at most {@link maxBlockBytes}, as it is. */
export function rawBlock(content: Uint8Array, isLast: boolean): Buffer {
  return Buffer.concat([blockHeader(0, content.length, isLast), content]);
}

/** A block of compressed content. */
export function compressedBlock(content: Uint8Array): Buffer {
  return Buffer.concat([blockHeader(2, content.length, false), content]);
}

function blockHeader(type: number, length: number, isLast: boolean): Buffer {
  const header = Buffer.alloc(3);
  header.writeUIntLE((length << 3) | (type << 1) | (isLast ? 1 : 0), 0, 3);
  return header;
}
