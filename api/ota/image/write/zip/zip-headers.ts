/**
 * The records of a ZIP artifact exactly as the reference packs it: stored, no data descriptors, 2009-01-01 00:00:00, Unix,
 * fixed permissions (APPNOTE 4.3 and 4.5.3). Numbers become 64-bit from 2^31-1 on, as in Python's zipfile.
 */
const zip64Limit = 2 ** 31 - 1;
const maxUint32 = 0xffff_ffff;
const maxUint16 = 0xffff;

const version = 20;
const zip64Version = 45;
/** 2009-01-01; the time is 00:00:00. */
const dosDate = 0x3a21;
const utf8Flag = 0x800;
const fileAttributes = 0x81a4_0000;
const folderAttributes = 0x41ed_0010;

export interface ZipEntry {
  /** Ends with `/` for a folder. */
  readonly name: string;
  readonly sizeBytes: number;
  readonly crc: number;
  readonly offset: number;
}

/** In front of the content. The size of it does not depend on the checksum. */
export function localHeader({name, sizeBytes, crc}: Omit<ZipEntry, 'offset'>): Buffer {
  const isZip64 = hasZip64Header(sizeBytes);
  const nameBytes = Buffer.from(name, 'utf8');
  const header = Buffer.alloc(30);
  header.writeUInt32LE(0x0403_4b50, 0);
  header.writeUInt16LE(isZip64 ? zip64Version : version, 4);
  header.writeUInt16LE(flagsOf(name), 6);
  header.writeUInt16LE(dosDate, 12);
  header.writeUInt32LE(crc, 14);
  header.writeUInt32LE(isZip64 ? maxUint32 : sizeBytes, 18);
  header.writeUInt32LE(isZip64 ? maxUint32 : sizeBytes, 22);
  const extra = zip64Extra(isZip64 ? [sizeBytes, sizeBytes] : []);
  header.writeUInt16LE(nameBytes.length, 26);
  header.writeUInt16LE(extra.length, 28);
  return Buffer.concat([header, nameBytes, extra]);
}

/** In the central directory. */
export function centralHeader({name, sizeBytes, crc, offset}: ZipEntry): Buffer {
  const isLarge = sizeBytes > zip64Limit;
  const isFar = offset > zip64Limit;
  const needed = isLarge || isFar || hasZip64Header(sizeBytes) ? zip64Version : version;
  const nameBytes = Buffer.from(name, 'utf8');
  const extra = zip64Extra([...(isLarge ? [sizeBytes, sizeBytes] : []), ...(isFar ? [offset] : [])]);
  const header = Buffer.alloc(46);
  header.writeUInt32LE(0x0201_4b50, 0);
  // Made by: Unix (3) in the high byte.
  header.writeUInt16LE((3 << 8) | needed, 4);
  header.writeUInt16LE(needed, 6);
  header.writeUInt16LE(flagsOf(name), 8);
  header.writeUInt16LE(dosDate, 14);
  header.writeUInt32LE(crc, 16);
  header.writeUInt32LE(isLarge ? maxUint32 : sizeBytes, 20);
  header.writeUInt32LE(isLarge ? maxUint32 : sizeBytes, 24);
  header.writeUInt16LE(nameBytes.length, 28);
  header.writeUInt16LE(extra.length, 30);
  header.writeUInt32LE(name.endsWith('/') ? folderAttributes : fileAttributes, 38);
  header.writeUInt32LE(isFar ? maxUint32 : offset, 42);
  return Buffer.concat([header, nameBytes, extra]);
}

/** At the end: where the central directory is. */
export function endRecords(count: number, directoryBytes: number, directoryOffset: number): Buffer {
  const isZip64 = count > maxUint16 || directoryOffset > zip64Limit || directoryBytes > zip64Limit;
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x0605_4b50, 0);
  end.writeUInt16LE(Math.min(count, maxUint16), 8);
  end.writeUInt16LE(Math.min(count, maxUint16), 10);
  end.writeUInt32LE(Math.min(directoryBytes, maxUint32), 12);
  end.writeUInt32LE(Math.min(directoryOffset, maxUint32), 16);
  if (!isZip64) return end;
  const record = Buffer.alloc(56);
  record.writeUInt32LE(0x0606_4b50, 0);
  record.writeBigUInt64LE(44n, 4);
  record.writeUInt16LE(zip64Version, 12);
  record.writeUInt16LE(zip64Version, 14);
  record.writeBigUInt64LE(BigInt(count), 24);
  record.writeBigUInt64LE(BigInt(count), 32);
  record.writeBigUInt64LE(BigInt(directoryBytes), 40);
  record.writeBigUInt64LE(BigInt(directoryOffset), 48);
  const locator = Buffer.alloc(20);
  locator.writeUInt32LE(0x0706_4b50, 0);
  locator.writeBigUInt64LE(BigInt(directoryOffset + directoryBytes), 8);
  locator.writeUInt32LE(1, 16);
  return Buffer.concat([record, locator, end]);
}

/** Python leaves room for content that grows by 5 % when it is compressed, also where it is stored. */
function hasZip64Header(sizeBytes: number): boolean {
  return sizeBytes * 1.05 > zip64Limit;
}

function flagsOf(name: string): number {
  return /^[\x20-\x7e]*$/.test(name) ? 0 : utf8Flag;
}

function zip64Extra(numbers: readonly number[]): Buffer {
  if (numbers.length === 0) return Buffer.alloc(0);
  const extra = Buffer.alloc(4 + 8 * numbers.length);
  extra.writeUInt16LE(1, 0);
  extra.writeUInt16LE(8 * numbers.length, 2);
  for (const [index, number] of numbers.entries()) extra.writeBigUInt64LE(BigInt(number), 4 + 8 * index);
  return extra;
}
