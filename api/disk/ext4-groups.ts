import {crc16, crc32c, le32} from './crc.ts';
import type {Ext4Superblock} from './ext4-superblock.ts';
import {hasSuperblockCopy} from './ext4-layout.ts';
import {DamagedError} from './file-system.ts';
import type {RandomFile} from './random-file.ts';

/** Blocks that follow each other. */
export interface BlockRun {
  readonly start: number;
  readonly count: number;
}

/** There is no room left in a file system. */
export class Ext4FullError extends Error {
  override readonly name = 'Ext4FullError';
  readonly kind: 'blocks' | 'inodes';

  constructor(kind: 'blocks' | 'inodes') {
    super(kind === 'blocks' ? 'there is no free block' : 'there is no free inode');
    this.kind = kind;
  }
}

const inodesUninitialised = 0x1;
const blocksUninitialised = 0x2;

/** A group descriptor whose bitmaps are read when they are needed. */
interface Group {
  readonly descriptor: Buffer;
  blockBitmap?: Buffer;
  inodeBitmap?: Buffer;
  isDirty: boolean;
}

/** Group descriptors and bitmaps of an ext4: what is free, and taking it and giving it back. */
export class Ext4Groups {
  readonly #file: RandomFile;
  readonly #superblock: Ext4Superblock;
  readonly #groups: readonly Group[];
  #freeBlocks: number;
  #freeInodes: number;
  /** Where the search for free blocks goes on. */
  #cursor = 0;
  #inodeGroup = 0;

  private constructor(file: RandomFile, superblock: Ext4Superblock, groups: readonly Group[]) {
    this.#file = file;
    this.#superblock = superblock;
    this.#groups = groups;
    this.#freeBlocks = superblock.freeBlocks;
    this.#freeInodes = superblock.freeInodes;
  }

  static async read(file: RandomFile, superblock: Ext4Superblock): Promise<Ext4Groups> {
    const {descriptorBytes, groupCount} = superblock;
    const table = await file.read(tableStart(superblock), descriptorBytes * groupCount);
    if (table.length < descriptorBytes * groupCount)
      throw new DamagedError('the group descriptors are cut off');
    const groups = Array.from({length: groupCount}, (_, index) => ({
      descriptor: Buffer.from(table.subarray(index * descriptorBytes, (index + 1) * descriptorBytes)),
      isDirty: false,
    }));
    return new Ext4Groups(file, superblock, groups);
  }

  get freeBlocks(): number {
    return this.#freeBlocks;
  }

  /** Free blocks without those that are reserved for the system. */
  get availableBlocks(): number {
    return Math.max(0, this.#freeBlocks - this.#superblock.reservedBlocks);
  }

  get freeInodes(): number {
    return this.#freeInodes;
  }

  /** First block of the inode table of a group. */
  inodeTable(group: number): number {
    return this.#number(this.#group(group), 8, 40);
  }

  /**
   * Takes up to `count` blocks that follow each other, at least one.
   *
   * @throws Ext4FullError
   */
  async takeBlocks(count: number): Promise<BlockRun> {
    const {firstDataBlock, blocksPerGroup, groupCount} = this.#superblock;
    const most = Math.min(count, this.availableBlocks);
    if (most === 0) throw new Ext4FullError('blocks');
    // The group of the cursor comes twice: behind the cursor first, before it last.
    for (let step = 0; step <= groupCount; step++) {
      const first = Math.floor(this.#cursor / blocksPerGroup);
      const index = (first + step) % groupCount;
      const group = this.#group(index);
      if (this.#count(group, 12, 44) === 0) continue;
      const bitmap = await this.#blockBitmap(index);
      const length = this.#blocksIn(index);
      const from = step === 0 ? this.#cursor % blocksPerGroup : 0;
      const run = freeRun(bitmap, from, length, most);
      if (run === undefined) continue;
      setBits(bitmap, run.start, run.count, true);
      this.#changeCount(group, 12, 44, -run.count);
      this.#freeBlocks -= run.count;
      this.#cursor = index * blocksPerGroup + run.start + run.count;
      if (this.#cursor >= groupCount * blocksPerGroup) this.#cursor = 0;
      return {start: firstDataBlock + index * blocksPerGroup + run.start, count: run.count};
    }
    throw new Ext4FullError('blocks');
  }

  /** Gives blocks back. */
  async giveBlocks({start, count}: BlockRun): Promise<void> {
    const {firstDataBlock, blocksPerGroup} = this.#superblock;
    for (let at = start - firstDataBlock, left = count; left > 0;) {
      const index = Math.floor(at / blocksPerGroup);
      const inGroup = at % blocksPerGroup;
      const part = Math.min(left, this.#blocksIn(index) - inGroup);
      if (part <= 0) throw new DamagedError('a file uses blocks that do not exist');
      setBits(await this.#blockBitmap(index), inGroup, part, false);
      this.#changeCount(this.#group(index), 12, 44, part);
      this.#freeBlocks += part;
      this.#cursor = Math.min(this.#cursor, at);
      at += part;
      left -= part;
    }
  }

  /**
   * Takes an inode.
   *
   * @throws Ext4FullError
   */
  async takeInode(isFolder: boolean): Promise<number> {
    const {groupCount, inodesPerGroup, firstInode} = this.#superblock;
    for (; this.#inodeGroup < groupCount; this.#inodeGroup++) {
      const index = this.#inodeGroup;
      const group = this.#group(index);
      if (this.#count(group, 14, 46) === 0) continue;
      const bitmap = await this.#inodeBitmap(index);
      const run = freeRun(bitmap, index === 0 ? firstInode - 1 : 0, inodesPerGroup, 1);
      if (run === undefined) continue;
      setBits(bitmap, run.start, 1, true);
      this.#changeCount(group, 14, 46, -1);
      if (isFolder) this.#changeCount(group, 16, 48, 1);
      this.#noteUsed(group, run.start);
      this.#freeInodes--;
      return index * inodesPerGroup + run.start + 1;
    }
    throw new Ext4FullError('inodes');
  }

  /** Gives the inode of a file back. */
  async giveInode(number: number): Promise<void> {
    const {inodesPerGroup} = this.#superblock;
    const index = Math.floor((number - 1) / inodesPerGroup);
    setBits(await this.#inodeBitmap(index), (number - 1) % inodesPerGroup, 1, false);
    this.#changeCount(this.#group(index), 14, 46, 1);
    this.#freeInodes++;
    this.#inodeGroup = Math.min(this.#inodeGroup, index);
  }

  /** Writes what has changed. */
  async flush(): Promise<void> {
    const {blockBytes, hasMetadataChecksums, checksumSeed, descriptorBytes} = this.#superblock;
    for (const [index, group] of this.#groups.entries()) {
      if (!group.isDirty) continue;
      for (const [bitmap, at, high, sumAt, sumHigh, bits] of [
        [group.blockBitmap, 0, 32, 24, 56, this.#superblock.blocksPerGroup],
        [group.inodeBitmap, 4, 36, 26, 58, this.#superblock.inodesPerGroup],
      ] as const) {
        if (bitmap === undefined) continue;
        if (hasMetadataChecksums) {
          const sum = crc32c(checksumSeed, bitmap.subarray(0, Math.ceil(bits / 8)));
          group.descriptor.writeUInt16LE(sum & 0xffff, sumAt);
          if (descriptorBytes >= 60) group.descriptor.writeUInt16LE(sum >>> 16, sumHigh);
        }
        await this.#file.write(this.#number(group, at, high) * blockBytes, bitmap);
      }
      group.descriptor.writeUInt16LE(this.#checksumOf(index, group.descriptor), 30);
      await this.#file.write(tableStart(this.#superblock) + index * descriptorBytes, group.descriptor);
      group.isDirty = false;
    }
  }

  #checksumOf(index: number, descriptor: Buffer): number {
    const {hasMetadataChecksums, hasGroupChecksums, checksumSeed, oldChecksumSeed} = this.#superblock;
    if (hasMetadataChecksums) {
      const blank = Buffer.from(descriptor);
      blank.writeUInt16LE(0, 30);
      return crc32c(crc32c(checksumSeed, le32(index)), blank) & 0xffff;
    }
    if (!hasGroupChecksums) return 0;
    const head = crc16(crc16(oldChecksumSeed, le32(index)), descriptor.subarray(0, 30));
    return crc16(head, descriptor.subarray(32));
  }

  async #blockBitmap(index: number): Promise<Buffer> {
    const group = this.#group(index);
    group.isDirty = true;
    if (group.blockBitmap !== undefined) return group.blockBitmap;
    const flags = group.descriptor.readUInt16LE(18);
    if ((flags & blocksUninitialised) === 0)
      return (group.blockBitmap = await this.#readBitmap(group, 0, 32));
    group.descriptor.writeUInt16LE(flags & ~blocksUninitialised, 18);
    return (group.blockBitmap = this.#freshBlockBitmap(index));
  }

  async #inodeBitmap(index: number): Promise<Buffer> {
    const group = this.#group(index);
    group.isDirty = true;
    if (group.inodeBitmap !== undefined) return group.inodeBitmap;
    const flags = group.descriptor.readUInt16LE(18);
    if ((flags & inodesUninitialised) === 0)
      return (group.inodeBitmap = await this.#readBitmap(group, 4, 36));
    group.descriptor.writeUInt16LE(flags & ~inodesUninitialised, 18);
    const bitmap = Buffer.alloc(this.#superblock.blockBytes, 0xff);
    setBits(bitmap, 0, this.#superblock.inodesPerGroup, false);
    return (group.inodeBitmap = bitmap);
  }

  async #readBitmap(group: Group, low: number, high: number): Promise<Buffer> {
    const {blockBytes} = this.#superblock;
    const bitmap = await this.#file.read(this.#number(group, low, high) * blockBytes, blockBytes);
    if (bitmap.length < blockBytes) throw new DamagedError('a bitmap is cut off');
    return bitmap;
  }

  /** A group whose bitmap was never written uses nothing but what the file system keeps about itself. */
  #freshBlockBitmap(index: number): Buffer {
    const {blockBytes, firstDataBlock, blocksPerGroup, inodesPerGroup, inodeBytes} = this.#superblock;
    const bitmap = Buffer.alloc(blockBytes, 0xff);
    const length = this.#blocksIn(index);
    setBits(bitmap, 0, length, false);
    const first = firstDataBlock + index * blocksPerGroup;
    const mark = (start: number, count: number) => {
      const from = Math.max(0, start - first);
      const to = Math.min(length, start + count - first);
      if (from < to) setBits(bitmap, from, to - from, true);
    };
    if (!this.#superblock.isSparseSuper || hasSuperblockCopy(index)) mark(first, 1 + this.#tableBlocks);
    // With flexible groups the bookkeeping of several groups lies in one of them.
    for (const group of this.#groups) {
      mark(this.#number(group, 0, 32), 1);
      mark(this.#number(group, 4, 36), 1);
      mark(this.#number(group, 8, 40), Math.ceil((inodesPerGroup * inodeBytes) / blockBytes));
    }
    return bitmap;
  }

  get #tableBlocks(): number {
    const {groupCount, descriptorBytes, blockBytes, reservedTableBlocks} = this.#superblock;
    return Math.ceil((groupCount * descriptorBytes) / blockBytes) + reservedTableBlocks;
  }

  /** Inodes behind the last used one were perhaps never written; the descriptor says how many. */
  #noteUsed({descriptor}: Group, position: number): void {
    const {hasMetadataChecksums, hasGroupChecksums, inodesPerGroup} = this.#superblock;
    if (!hasMetadataChecksums && !hasGroupChecksums) return;
    const isWide = descriptor.length >= 64;
    const unused = descriptor.readUInt16LE(28) + (isWide ? descriptor.readUInt16LE(50) * 65_536 : 0);
    const left = Math.min(unused, inodesPerGroup - position - 1);
    descriptor.writeUInt16LE(left & 0xffff, 28);
    if (isWide) descriptor.writeUInt16LE(left >>> 16, 50);
  }

  #group(index: number): Group {
    const group = this.#groups[index];
    if (group === undefined) throw new DamagedError(`there is no block group ${index}`);
    return group;
  }

  #blocksIn(index: number): number {
    const {blockCount, firstDataBlock, blocksPerGroup} = this.#superblock;
    return Math.min(blocksPerGroup, blockCount - firstDataBlock - index * blocksPerGroup);
  }

  #number({descriptor}: Group, low: number, high: number): number {
    return (
      descriptor.readUInt32LE(low) + (descriptor.length >= 64 ? descriptor.readUInt32LE(high) * 2 ** 32 : 0)
    );
  }

  #count({descriptor}: Group, low: number, high: number): number {
    return (
      descriptor.readUInt16LE(low) + (descriptor.length >= 64 ? descriptor.readUInt16LE(high) * 65_536 : 0)
    );
  }

  #changeCount(group: Group, low: number, high: number, by: number): void {
    const value = this.#count(group, low, high) + by;
    if (value < 0) throw new DamagedError('a block group has fewer free places than it says');
    group.isDirty = true;
    group.descriptor.writeUInt16LE(value & 0xffff, low);
    if (group.descriptor.length >= 64) group.descriptor.writeUInt16LE(value >>> 16, high);
  }
}

function tableStart({firstDataBlock, blockBytes}: Ext4Superblock): number {
  return (firstDataBlock + 1) * blockBytes;
}

/** The first free run at or behind `from`, no longer than `most`. */
function freeRun(bitmap: Buffer, from: number, length: number, most: number): BlockRun | undefined {
  let start = from;
  while (start < length && isSet(bitmap, start)) {
    // Whole bytes in use are passed over at once.
    start += (start & 7) === 0 && bitmap[start >>> 3] === 0xff ? 8 : 1;
  }
  if (start >= length) return undefined;
  let end = start + 1;
  const limit = Math.min(length, start + most);
  while (end < limit && !isSet(bitmap, end)) {
    end += (end & 7) === 0 && bitmap[end >>> 3] === 0 ? 8 : 1;
  }
  return {start, count: Math.min(end, limit) - start};
}

function isSet(bitmap: Buffer, bit: number): boolean {
  return ((bitmap[bit >>> 3] ?? 0xff) & (1 << (bit & 7))) !== 0;
}

function setBits(bitmap: Buffer, start: number, count: number, value: boolean): void {
  for (let bit = start; bit < start + count;) {
    if ((bit & 7) === 0 && start + count - bit >= 8) {
      const bytes = (start + count - bit) >>> 3;
      bitmap.fill(value ? 0xff : 0, bit >>> 3, (bit >>> 3) + bytes);
      bit += bytes * 8;
      continue;
    }
    const byte = bitmap[bit >>> 3] ?? 0;
    bitmap[bit >>> 3] = value ? byte | (1 << (bit & 7)) : byte & ~(1 << (bit & 7));
    bit++;
  }
}
