import {zip64Fields} from './read-central-directory.ts';
import {invalidZip, type RandomAccess, type ZipEntry} from './zip-entry.ts';

const headerSize = 30;
const signature = 0x04034b50;
/** An extra field of this size comes with the first read; zip64 needs 20. */
const expectedExtra = 32;

/**
 * Reads the header in front of a file and compares it with the directory, so that every reader sees the same file.
 * @returns where the content begins
 * @throws {OtaError} ZIP_INVALID
 */
export async function checkLocalHeader(
  access: RandomAccess,
  entry: ZipEntry,
  location: string,
): Promise<number> {
  const {name, headerOffset, limit} = entry;
  const nameEnd = headerSize + Buffer.byteLength(name);
  let header = await access.read(headerOffset, Math.min(nameEnd + expectedExtra, limit - headerOffset));
  const differs = () => invalidZip(location, `"${name}" has a header that differs from the directory`);
  if (header.length < nameEnd || header.readUInt32LE(0) !== signature) throw differs();
  if (
    header.toString('utf8', headerSize, nameEnd) !== name ||
    header.readUInt16LE(26) !== nameEnd - headerSize
  ) {
    throw differs();
  }
  const dataOffset = nameEnd + header.readUInt16LE(28);
  if (headerOffset + dataOffset + entry.size > limit) {
    throw invalidZip(location, `"${name}" overlaps what follows it`);
  }
  if (dataOffset > header.length) header = await access.read(headerOffset, dataOffset);
  const wide = zip64Fields(header.subarray(nameEnd, dataOffset)) ?? [];
  const sizes = [22, 18].map((at) => {
    const size = header.readUInt32LE(at);
    return size === 0xffff_ffff ? wide.shift() : size;
  });
  const isSame = header.readUInt32LE(14) === entry.crc32 && sizes.every((size) => size === entry.size);
  if (!isSame || header.readUInt16LE(8) !== 0 || (header.readUInt16LE(6) & 0x0009) !== 0) throw differs();
  return headerOffset + dataOffset;
}
