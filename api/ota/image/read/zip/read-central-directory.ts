import {locateDirectory} from './locate-directory.ts';
import {invalidZip, type RandomAccess, type ZipEntry} from './zip-entry.ts';

const headerSize = 46;
const signature = 0x02014b50;
/** Encrypted, data descriptor, patched, strongly encrypted, masked: no artifact has any of them. */
const refusedFlags = 0x0001 | 0x0008 | 0x0020 | 0x0040 | 0x2000;
const saturated = 0xffff_ffff;
/** Room for four million blobs. */
const maxDirectorySize = 512 * 1024 * 1024;

type Unplaced = Omit<ZipEntry, 'limit'>;

/**
 * Reads and checks the central directory: every name is a plain relative path and occurs once, nothing is compressed
 * or encrypted, no two files share bytes, and nothing lies outside the archive.
 * @returns the files by name, in the order of the directory; the entries of folders are left out
 * @throws {OtaError} ZIP_INVALID
 */
export async function readCentralDirectory(
  access: RandomAccess,
  location: string,
): Promise<ReadonlyMap<string, ZipEntry>> {
  const {offset, size, count} = await locateDirectory(access, location);
  if (size > maxDirectorySize) throw invalidZip(location, 'its directory is larger than 512 MiB');
  const bytes = await access.read(offset, size);
  const all: Unplaced[] = [];
  const names = new Set<string>();
  let at = 0;
  for (let index = 0; index < count; index++) {
    const {entry, next} = parseEntry(bytes, at, location);
    const path = entry.name.replace(/\/$/, '');
    if (names.has(path)) throw invalidZip(location, `it has "${path}" twice`);
    names.add(path);
    all.push(entry);
    at = next;
  }
  if (at !== bytes.length)
    throw invalidZip(location, `its directory does not end after its ${count} entries`);
  const limits = limitsOf(all, offset, location);
  const files = all.filter(({name}) => !name.endsWith('/'));
  return new Map(
    files.map((entry) => [entry.name, {...entry, limit: limits.get(entry.headerOffset) ?? offset}]),
  );
}

function parseEntry(bytes: Buffer, at: number, location: string): {entry: Unplaced; next: number} {
  if (at + headerSize > bytes.length || bytes.readUInt32LE(at) !== signature) {
    throw invalidZip(location, 'its directory is truncated');
  }
  const flags = bytes.readUInt16LE(at + 8);
  const method = bytes.readUInt16LE(at + 10);
  const nameEnd = at + headerSize + bytes.readUInt16LE(at + 28);
  const extraEnd = nameEnd + bytes.readUInt16LE(at + 30);
  const next = extraEnd + bytes.readUInt16LE(at + 32);
  if (next > bytes.length) throw invalidZip(location, 'its directory is truncated');
  const name = checkName(bytes.subarray(at + headerSize, nameEnd), location);
  if ((flags & refusedFlags) !== 0)
    throw invalidZip(location, `"${name}" is encrypted or was written as a stream`);
  if (method !== 0) throw invalidZip(location, `"${name}" is compressed, artifacts only store`);
  const wide = zip64Fields(bytes.subarray(nameEnd, extraEnd));
  const field = (offset: number) => {
    const value = bytes.readUInt32LE(at + offset);
    if (value !== saturated) return value;
    const real = wide?.shift();
    if (real === undefined) throw invalidZip(location, `"${name}" lacks its zip64 sizes`);
    return real;
  };
  // Their order in the zip64 field: original size, stored size, offset.
  const size = field(24);
  const storedSize = field(20);
  const headerOffset = field(42);
  if (size !== storedSize) throw invalidZip(location, `"${name}" is stored and has two sizes`);
  if (name.endsWith('/') && size !== 0) throw invalidZip(location, `the folder "${name}" has content`);
  return {entry: {name, crc32: bytes.readUInt32LE(at + 16), size, headerOffset}, next};
}

/** The numbers of the zip64 extra field, in its order. */
export function zip64Fields(extra: Buffer): number[] | undefined {
  for (let at = 0; at + 4 <= extra.length;) {
    const length = extra.readUInt16LE(at + 2);
    if (at + 4 + length > extra.length) return undefined;
    if (extra.readUInt16LE(at) === 1) {
      const fields: number[] = [];
      for (let item = 0; item + 8 <= length; item += 8)
        fields.push(Number(extra.readBigUInt64LE(at + 4 + item)));
      return fields;
    }
    at += 4 + length;
  }
  return undefined;
}

function checkName(bytes: Buffer, location: string): string {
  const name = bytes.toString('utf8');
  if (!Buffer.from(name, 'utf8').equals(bytes)) throw invalidZip(location, 'a name is not UTF-8');
  const parts = name.replace(/\/$/, '').split('/');
  if (/[\\\0]/.test(name) || parts.some((part) => part === '' || part === '.' || part === '..')) {
    throw invalidZip(location, `${JSON.stringify(name)} is not a plain relative path`);
  }
  return name;
}

/** Where the bytes of each entry must end, by where its header begins. */
function limitsOf(entries: readonly Unplaced[], directory: number, location: string): Map<number, number> {
  const limits = new Map<number, number>();
  const inOrder = [...entries].sort((a, b) => a.headerOffset - b.headerOffset);
  for (const [index, {name, size, headerOffset}] of inOrder.entries()) {
    const limit = inOrder[index + 1]?.headerOffset ?? directory;
    // 30: the fixed part of a local header.
    if (headerOffset + 30 + Buffer.byteLength(name) + size > limit) {
      throw invalidZip(location, `"${name}" overlaps what follows it`);
    }
    limits.set(headerOffset, limit);
  }
  return limits;
}
