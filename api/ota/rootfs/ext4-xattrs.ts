import {OtaError} from '../ota-error.ts';

/** The number in an entry for the first part of its name (kernel: fs/ext4/xattr.h). */
const prefixes: Readonly<Record<number, string>> = {
  0: '',
  1: 'user.',
  2: 'system.posix_acl_access',
  3: 'system.posix_acl_default',
  4: 'trusted.',
  6: 'security.',
  7: 'system.',
  8: 'system.richacl',
};

const inodeHeaderBytes = 4;
const blockHeaderBytes = 32;
const entryBytes = 16;

/**
 * Reads extended attributes of ext4 as they are on the disk. Access lists are left out: on the disk they have a form of
 * their own.
 * @throws {OtaError} ROOTFS_INVALID
 */
export function readExt4Xattrs(
  {inInode, inBlock}: {readonly inInode?: Buffer; readonly inBlock?: Buffer},
  path: string,
): ReadonlyMap<string, Uint8Array> {
  const found = new Map<string, Uint8Array>();
  // Offsets of values count from behind the header in an inode, from the header in a block.
  if (inInode) readArea(inInode.subarray(inodeHeaderBytes), 0, found, path);
  if (inBlock) readArea(inBlock, blockHeaderBytes, found, path);
  return found;
}

function readArea(area: Buffer, start: number, found: Map<string, Uint8Array>, path: string): void {
  for (let at = start; at + 4 <= area.length && area.readUInt32LE(at) !== 0;) {
    if (at + entryBytes > area.length) throw damaged(path);
    const nameBytes = area.readUInt8(at);
    const prefix = prefixes[area.readUInt8(at + 1)];
    const valueStart = area.readUInt16LE(at + 2);
    const valueInode = area.readUInt32LE(at + 4);
    const valueBytes = area.readUInt32LE(at + 8);
    const name = `${prefix ?? ''}${area.toString('utf8', at + entryBytes, at + entryBytes + nameBytes)}`;
    if (prefix === undefined || valueInode !== 0 || valueStart + valueBytes > area.length)
      throw damaged(path);
    if (!name.startsWith('system.')) found.set(name, area.subarray(valueStart, valueStart + valueBytes));
    at += (entryBytes + nameBytes + 3) & ~3;
  }
}

function damaged(path: string): OtaError {
  return new OtaError(
    'ROOTFS_INVALID',
    `The extended attributes of ${path} are damaged or of an unknown kind`,
  );
}
