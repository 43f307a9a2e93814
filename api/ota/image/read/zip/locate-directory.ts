import {invalidZip, type RandomAccess} from './zip-entry.ts';

const endSize = 22;
const endSignature = 0x06054b50;
const locatorSize = 20;
const locatorSignature = 0x07064b50;
const wideEndSize = 56;
const wideEndSignature = 0x06064b50;
const maxComment = 0xffff;

/** Where the central directory is. */
export interface DirectoryPlace {
  readonly offset: number;
  readonly size: number;
  readonly count: number;
}

/**
 * Finds the central directory from the end of the archive. The directory must end where the end records begin, and the
 * classic and the zip64 record must not contradict each other.
 * @throws {OtaError} ZIP_INVALID
 */
export async function locateDirectory(access: RandomAccess, location: string): Promise<DirectoryPlace> {
  if (access.size < endSize) throw invalidZip(location, 'it is too short');
  const length = Math.min(access.size, endSize + maxComment + locatorSize);
  const tailOffset = access.size - length;
  const tail = await access.read(tailOffset, length);
  const end = findEnd(tail);
  if (end === undefined) throw invalidZip(location, 'it has no end record; it may be truncated');
  if (tail.readUInt32LE(end + 4) !== 0 || tail.readUInt16LE(end + 8) !== tail.readUInt16LE(end + 10)) {
    throw invalidZip(location, 'it is a part of a divided archive');
  }
  const classic = {
    count: tail.readUInt16LE(end + 10),
    size: tail.readUInt32LE(end + 12),
    offset: tail.readUInt32LE(end + 16),
  };
  const locator = end - locatorSize;
  if (locator < 0 || tail.readUInt32LE(locator) !== locatorSignature) {
    return checked(classic, tailOffset + end, location);
  }
  const wideOffset = Number(tail.readBigUInt64LE(locator + 8));
  if (wideOffset + wideEndSize !== tailOffset + locator)
    throw invalidZip(location, 'its zip64 record is misplaced');
  const wide = readWideEnd(await access.read(wideOffset, wideEndSize), location);
  if (
    !fits(classic.count, wide.count, 0xffff) ||
    !fits(classic.size, wide.size) ||
    !fits(classic.offset, wide.offset)
  ) {
    throw invalidZip(location, 'its two end records contradict each other');
  }
  return checked(wide, wideOffset, location);
}

/** The end record whose comment reaches exactly to the end. */
function findEnd(tail: Buffer): number | undefined {
  for (let at = tail.length - endSize; at >= 0; at--) {
    if (tail.readUInt32LE(at) === endSignature && at + endSize + tail.readUInt16LE(at + 20) === tail.length)
      return at;
  }
  return undefined;
}

function readWideEnd(bytes: Buffer, location: string): DirectoryPlace {
  const isWhole =
    bytes.readUInt32LE(0) === wideEndSignature && bytes.readBigUInt64LE(4) === BigInt(wideEndSize - 12);
  if (
    !isWhole ||
    bytes.readBigUInt64LE(16) !== 0n ||
    bytes.readBigUInt64LE(24) !== bytes.readBigUInt64LE(32)
  ) {
    throw invalidZip(location, 'its zip64 record is malformed');
  }
  return {
    count: Number(bytes.readBigUInt64LE(32)),
    size: Number(bytes.readBigUInt64LE(40)),
    offset: Number(bytes.readBigUInt64LE(48)),
  };
}

/** Whether the classic field says the same, or that it is too small to say it. */
function fits(classic: number, wide: number, saturated = 0xffff_ffff): boolean {
  return classic === wide || classic === saturated;
}

function checked(place: DirectoryPlace, endsAt: number, location: string): DirectoryPlace {
  if (place.offset + place.size !== endsAt)
    throw invalidZip(location, 'its directory is not where it should be');
  return place;
}
