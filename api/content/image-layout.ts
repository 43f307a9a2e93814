import type {ByteSource} from '../disk/byte-source.ts';
import {sliceOf} from '../disk/byte-source.ts';
import {readExt4Layout} from '../disk/ext4-layout.ts';
import {readPartitionTable, type Partition} from '../disk/partition-table.ts';
import {PipelineError} from '../errors.ts';

/** Where content goes in a base image. */
export interface ImageLayout {
  /** The last one, which is grown and filled. */
  readonly partition: Partition;
  /** What the device's /data is: all of the partition, or a folder of its root file system. */
  readonly dataFolder: '/' | '/data';
  /** Of the whole image, as far as it has partitions. */
  readonly sizeBytes: number;
}

const linux = 0x83;
const gptProtection = 0xee;
const extended: ReadonlySet<number> = new Set([0x05, 0x0f, 0x85]);

/**
 * Finds the partition for content: the third one of a base image of Kiwix Offspot, or the root partition of an image that
 * has no third one.
 *
 * @throws PipelineError `IMAGE_UNUSABLE`
 */
export async function readImageLayout(image: ByteSource, name: string): Promise<ImageLayout> {
  const table = await readPartitionTable(image);
  const unusable = (why: string, hint: string) =>
    new PipelineError('IMAGE_UNUSABLE', `the base ${name} ${why}`, {hint});
  if (table === undefined)
    throw unusable(
      'is not a disk image: it has no partition table',
      'Name an .img, plain or packed as .xz, .zst, .gz or .zip.',
    );
  const {partitions} = table;
  if (partitions.some(({type}) => type === gptProtection))
    throw unusable(
      'has a GPT',
      'A base image needs an MBR partition table, as images for the Raspberry Pi have.',
    );
  if (partitions.some(({type}) => extended.has(type)))
    throw unusable('has logical partitions', 'A base image needs up to four primary partitions.');
  const last = [...partitions].sort((a, b) => b.startBytes - a.startBytes)[0];
  if (last === undefined || partitions.length < 2 || last.type !== linux)
    throw unusable(
      partitions.length < 3 ? 'has no third partition for data' : 'does not end with a Linux partition',
      'A base image has a boot partition (FAT), a root partition, and a data partition (ext4) as the last one; or the root partition is the last one, and gets a folder /data.',
    );
  const sizeBytes = Math.max(...partitions.map(({startBytes, sizeBytes: length}) => startBytes + length));
  return {partition: last, dataFolder: partitions.length > 2 ? '/' : '/data', sizeBytes};
}

/**
 * What of the base is in front of the content: up to the data partition; with a folder in the root partition, all that
 * the root file system uses.
 *
 * @param image All of it, where it can be read already; else the root partition counts whole.
 */
export async function bytesBeforeContent(
  {partition, dataFolder}: ImageLayout,
  image?: ByteSource,
): Promise<number> {
  const {startBytes, sizeBytes} = partition;
  if (dataFolder === '/') return startBytes;
  if (image === undefined || image.sizeBytes < startBytes + sizeBytes) return startBytes + sizeBytes;
  const part = sliceOf(image, startBytes, sizeBytes);
  const layout = await readExt4Layout(part);
  if (layout === undefined) return startBytes + sizeBytes;
  const free = (await part.read(1024 + 12, 4)).readUInt32LE(0);
  return startBytes + (layout.blockCount - free) * layout.blockBytes;
}
