import type {ByteSource} from './byte-source.ts';
import {DamagedError, stringAt, timeText, uuidText, type IdentityField} from './file-system.ts';

/** Where the superblock lies in a file system, and how long it is. */
export const superblockStart = 1024;
const superblockBytes = 1024;

/** What of a superblock is needed to find everything else (Linux, Documentation/filesystems/ext4). */
export interface Ext4Layout {
  readonly blockBytes: number;
  readonly firstDataBlock: number;
  readonly blocksPerGroup: number;
  readonly inodesPerGroup: number;
  readonly inodeBytes: number;
  readonly inodeCount: number;
  readonly descriptorBytes: number;
  readonly blockCount: number;
  /** Blocks kept behind the group descriptors, so that the file system can grow. */
  readonly reservedTableBlocks: number;
  /** Copies of the superblock are in some groups only. */
  readonly isSparseSuper: boolean;
  /** Group descriptors in one place and bitmaps that count blocks: neither meta_bg nor bigalloc. */
  readonly hasPlainBitmaps: boolean;
  readonly groups: readonly Ext4Group[];
  readonly identity: readonly IdentityField[];
}

/** Blocks with the bookkeeping of a group. */
export interface Ext4Group {
  readonly blockBitmap: number;
  readonly inodeBitmap: number;
  readonly inodeTable: number;
  /** None of its blocks is in use but for the bookkeeping, and the bitmap is not there. */
  readonly hasNoBlockBitmap: boolean;
  /**
   * Inodes at the end of the table that nobody has used yet, and that the kernel zeroes before anybody does: what lies
   * there does not matter.
   */
  readonly untouchedInodes: number;
}

/** Flags of a group: no inode is in use; no block is; the inode table is zeros where it is not in use. */
const groupFlags = {inodesUnused: 1, blocksUnused: 2, inodesZeroed: 4};

/** Reads superblock and group descriptors; undefined where there is no ext file system. */
export async function readExt4Layout(source: ByteSource): Promise<Ext4Layout | undefined> {
  const block = await source.read(superblockStart, superblockBytes);
  if (block.length < superblockBytes || block.readUInt16LE(56) !== 0xef53) return undefined;
  const blockBytes = 1024 << block.readUInt32LE(24);
  const blocksPerGroup = block.readUInt32LE(32);
  const inodesPerGroup = block.readUInt32LE(40);
  if (blockBytes < 1024 || blockBytes > 65_536 || blocksPerGroup === 0 || inodesPerGroup === 0)
    return undefined;
  const is64Bit = (block.readUInt32LE(96) & 0x80) !== 0;
  const descriptorBytes = is64Bit ? Math.max(32, block.readUInt16LE(254)) : 32;
  const blockCount = block.readUInt32LE(4) + (is64Bit ? block.readUInt32LE(336) * 2 ** 32 : 0);
  const firstDataBlock = block.readUInt32LE(20);
  const groupCount = Math.ceil((blockCount - firstDataBlock) / blocksPerGroup);
  if (groupCount * descriptorBytes > source.sizeBytes)
    throw new DamagedError('more groups than there is room for');
  // gdt_csum or metadata_csum: only with checksums do flags and counts of a group mean anything.
  const hasChecksums = (block.readUInt32LE(100) & 0x410) !== 0;
  const table = await source.read((firstDataBlock + 1) * blockBytes, groupCount * descriptorBytes);
  if (table.length < groupCount * descriptorBytes)
    throw new DamagedError('the group descriptors are cut off');
  return {
    blockBytes,
    firstDataBlock,
    blocksPerGroup,
    inodesPerGroup,
    inodeBytes: block.readUInt32LE(76) === 0 ? 128 : block.readUInt16LE(88),
    inodeCount: block.readUInt32LE(0),
    descriptorBytes,
    blockCount,
    reservedTableBlocks: block.readUInt16LE(206),
    isSparseSuper: (block.readUInt32LE(100) & 0x01) !== 0,
    hasPlainBitmaps: (block.readUInt32LE(96) & 0x10) === 0 && (block.readUInt32LE(100) & 0x200) === 0,
    groups: Array.from({length: groupCount}, (_, group) =>
      readGroup(
        table.subarray(group * descriptorBytes, (group + 1) * descriptorBytes),
        hasChecksums ? inodesPerGroup : 0,
      ),
    ),
    identity: readIdentity(block),
  };
}

/** @param mostUntouched 0 where the descriptors say nothing about the inode tables. */
function readGroup(descriptor: Buffer, mostUntouched: number): Ext4Group {
  const wide = descriptor.length >= 64;
  const number = (low: number, high: number) =>
    descriptor.readUInt32LE(low) + (wide ? descriptor.readUInt32LE(high) * 2 ** 32 : 0);
  const flags = descriptor.readUInt16LE(18);
  const unused =
    (flags & groupFlags.inodesUnused) !== 0
      ? mostUntouched
      : descriptor.readUInt16LE(28) + (wide ? descriptor.readUInt16LE(50) * 2 ** 16 : 0);
  return {
    blockBitmap: number(0, 32),
    inodeBitmap: number(4, 36),
    inodeTable: number(8, 40),
    hasNoBlockBitmap: (flags & groupFlags.blocksUnused) !== 0,
    untouchedInodes: (flags & groupFlags.inodesZeroed) !== 0 ? 0 : Math.min(unused, mostUntouched),
  };
}

function readIdentity(block: Buffer): IdentityField[] {
  const time = (at: number, high: number) =>
    timeText(block.readUInt32LE(at) + block.readUInt8(high) * 2 ** 32);
  return [
    {name: 'UUID', value: uuidText(block.subarray(104, 120))},
    {name: 'label', value: stringAt(block.subarray(120, 136))},
    {name: 'hash seed', value: uuidText(block.subarray(236, 252))},
    {name: 'creation time', value: time(264, 630)},
    {name: 'last mount time', value: time(44, 629)},
    {name: 'last write time', value: time(48, 628)},
    {name: 'last check', value: time(64, 631)},
    {name: 'last mount point', value: stringAt(block.subarray(136, 200))},
    {name: 'lifetime writes', value: `${block.readBigUInt64LE(376)} KiB`, follows: true},
    {name: 'features', value: block.toString('hex', 92, 104)},
    {name: 'blocks', value: String(block.readUInt32LE(4))},
    {name: 'inodes', value: String(block.readUInt32LE(0))},
  ];
}

/** What lies at an offset of the file system. */
export function describeExt4Offset(layout: Ext4Layout, offset: number): string {
  const {blockBytes, firstDataBlock, blocksPerGroup, inodesPerGroup, inodeBytes, descriptorBytes, groups} =
    layout;
  if (offset < superblockStart) return 'boot sector';
  if (offset < superblockStart + superblockBytes) {
    return `superblock, byte ${offset - superblockStart} (a count, a checksum, or a state)`;
  }
  const block = Math.floor(offset / blockBytes);
  const descriptors = Math.ceil((groups.length * descriptorBytes) / blockBytes);
  if (block > firstDataBlock && block <= firstDataBlock + descriptors) return 'group descriptors';
  const tableBlocks = Math.ceil((inodesPerGroup * inodeBytes) / blockBytes);
  for (const [index, group] of groups.entries()) {
    if (block === group.blockBitmap) return `block bitmap of group ${index}`;
    if (block === group.inodeBitmap) return `inode bitmap of group ${index}`;
    if (block >= group.inodeTable && block < group.inodeTable + tableBlocks) {
      const inode = Math.floor((offset - group.inodeTable * blockBytes) / inodeBytes);
      return `inode ${index * inodesPerGroup + inode + 1}`;
    }
  }
  return `block ${block} of group ${Math.floor((block - firstDataBlock) / blocksPerGroup)}`;
}

/** sparse_super: copies of the superblock lie in groups 0, 1 and the powers of 3, 5 and 7. */
export function hasSuperblockCopy(group: number): boolean {
  if (group < 2) return true;
  return [3, 5, 7].some((base) => {
    let power = base;
    while (power < group) power *= base;
    return power === group;
  });
}
