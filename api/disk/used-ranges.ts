import {sliceOf, type ByteSource} from './byte-source.ts';
import {joinRanges, subtractRanges, type ByteRange} from './byte-range.ts';
import {hasSuperblockCopy, readExt4Layout, type Ext4Layout} from './ext4-layout.ts';
import {readFatGeometry, type FatGeometry} from './fat-geometry.ts';
import {DamagedError} from './file-system.ts';
import {readPartitionTable, type Partition} from './partition-table.ts';

/** Ranges that lie closer together are written in one go: skipping less is not worth a command to the card. */
const gapBytes = 64 * 1024;
const blockBytes = 4096;
const extended: ReadonlySet<number> = new Set([0x05, 0x0f, 0x85]);
const gptProtection = 0xee;

/**
 * The parts of a disk image that something uses: what a file system has marked as free may keep what a card has there.
 * A block of zeros in use is part of it, since the card may have something else there. Partitions without FAT or ext4
 * count whole; so does an image without a partition table, or with one that is not an MBR.
 */
export async function findUsedRanges(image: ByteSource): Promise<ByteRange[]> {
  const whole = [{start: 0, end: image.sizeBytes}];
  const table = await readPartitionTable(image);
  if (table === undefined) return whole;
  const {partitions} = table;
  if (partitions.some(({type}) => type === gptProtection || extended.has(type))) return whole;
  const firstStart = Math.min(...partitions.map(({startBytes}) => startBytes));
  // What lies before the first partition may be a boot loader.
  const used: ByteRange[] = [{start: 0, end: 512}, ...(await findData(image, 512, firstStart))];
  for (const partition of partitions) used.push(...(await usedInPartition(image, partition)));
  return joinRanges(used, {blockBytes, gapBytes, sizeBytes: image.sizeBytes});
}

async function usedInPartition(image: ByteSource, {startBytes, sizeBytes}: Partition): Promise<ByteRange[]> {
  const partition = sliceOf(image, startBytes, sizeBytes);
  const inside = await usedInFileSystem(partition).catch((error: unknown) => {
    // Then all of it is written, damaged as it is.
    if (error instanceof DamagedError) return undefined;
    throw error;
  });
  return (inside ?? [{start: 0, end: partition.sizeBytes}]).map(({start, end}) => ({
    start: startBytes + start,
    end: startBytes + Math.min(end, partition.sizeBytes),
  }));
}

/** The parts of a partition that its file system uses; undefined for one that is not understood. */
export async function usedInFileSystem(partition: ByteSource): Promise<ByteRange[] | undefined> {
  const ext4 = await readExt4Layout(partition);
  if (ext4 !== undefined) return ext4.hasPlainBitmaps ? usedInExt4(partition, ext4) : undefined;
  const fat = readFatGeometry(await partition.read(0, 512));
  return fat === undefined ? undefined : usedInFat(partition, fat);
}

async function usedInFat(partition: ByteSource, geometry: FatGeometry): Promise<ByteRange[]> {
  const {kind, fatStart, fatBytes, dataStart, clusterBytes, clusterCount} = geometry;
  const entries = await partition.read(fatStart, fatBytes);
  const used: {start: number; end: number}[] = [{start: 0, end: dataStart}];
  const bytes = kind === 'FAT32' ? 4 : 2;
  if ((clusterCount + 2) * bytes > entries.length) throw new DamagedError('the allocation table is cut off');
  for (let cluster = 2; cluster < clusterCount + 2; cluster++) {
    const entry =
      bytes === 4 ? entries.readUInt32LE(cluster * 4) & 0x0fffffff : entries.readUInt16LE(cluster * 2);
    if (entry !== 0) addRange(used, dataStart + (cluster - 2) * clusterBytes, clusterBytes);
  }
  return used;
}

/**
 * Blocks that the bitmaps mark, and the bookkeeping of every group: one that has only that may have no bitmap yet. Left
 * out are the parts of inode tables that the kernel is still to zero: it does so on every disk that mke2fs has made with
 * its usual settings, whatever was there before.
 */
async function usedInExt4(partition: ByteSource, layout: Ext4Layout): Promise<ByteRange[]> {
  const {blockBytes: block, groups, firstDataBlock, blocksPerGroup, inodesPerGroup, inodeBytes} = layout;
  const tableBlocks =
    Math.ceil((groups.length * layout.descriptorBytes) / block) + layout.reservedTableBlocks;
  const tableEnd = Math.ceil((inodesPerGroup * inodeBytes) / block);
  const untouched: ByteRange[] = [];
  const used: {start: number; end: number}[] = [{start: 0, end: (firstDataBlock + 1) * block}];
  for (const [index, group] of groups.entries()) {
    const first = firstDataBlock + index * blocksPerGroup;
    const count = Math.min(blocksPerGroup, layout.blockCount - first);
    if (!layout.isSparseSuper || hasSuperblockCopy(index))
      addRange(used, first * block, (1 + tableBlocks) * block);
    addRange(used, group.blockBitmap * block, block);
    addRange(used, group.inodeBitmap * block, block);
    const touchedEnd = Math.ceil(((inodesPerGroup - group.untouchedInodes) * inodeBytes) / block);
    addRange(used, group.inodeTable * block, touchedEnd * block);
    untouched.push({
      start: (group.inodeTable + touchedEnd) * block,
      end: (group.inodeTable + tableEnd) * block,
    });
    if (group.hasNoBlockBitmap) continue;
    const bitmap = await partition.read(group.blockBitmap * block, block);
    if (bitmap.length * 8 < count) throw new DamagedError('a block bitmap is cut off');
    for (let bit = 0; bit < count; bit++)
      if (((bitmap[bit >>> 3] ?? 0) & (1 << (bit & 7))) !== 0) addRange(used, (first + bit) * block, block);
  }
  return subtractRanges(used, untouched);
}

function addRange(ranges: {start: number; end: number}[], start: number, length: number): void {
  const last = ranges.at(-1);
  if (last?.end === start) last.end += length;
  else ranges.push({start, end: start + length});
}

/** All of a part of the image, unless it is nothing but zeros. */
async function findData(image: ByteSource, start: number, end: number): Promise<ByteRange[]> {
  const step = 1024 * 1024;
  for (let at = start; at < end; at += step) {
    const block = await image.read(at, Math.min(step, end - at));
    if (block.some((byte) => byte !== 0)) return [{start, end}];
  }
  return [];
}
