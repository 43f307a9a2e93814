import {sliceOf, type ByteSource} from './byte-source.ts';
import {compareTrees} from './compare-trees.ts';
import {byteDifference, valueDifference, type Difference} from './difference.ts';
import {openExt4} from './ext4.ts';
import {openFat} from './fat.ts';
import {DamagedError, type FileSystem} from './file-system.ts';
import {findFirstDifference} from './first-difference.ts';
import type {Clues} from './guess-cause.ts';
import {readPartitionTable, type Partition, type PartitionTable} from './partition-table.ts';

/** A part of a disk image: a partition, or what lies between two. */
interface Region {
  readonly name: string;
  readonly startBytes: number;
  readonly sizeBytes: number;
  readonly isPartition: boolean;
}

/** Where in the first sector boot code ends and the table, with the disk id before it, begins. */
const diskIdAt = 440;

/**
 * The differences between two disk images, from their beginning to their end: partition table, partitions with the
 * files in them, gaps. An image without a partition table is taken for a file system.
 */
export async function* compareImages(
  before: ByteSource,
  after: ByteSource,
  clues: Clues,
): AsyncGenerator<Difference> {
  if (before.sizeBytes !== after.sizeBytes) {
    yield valueDifference([], 'size', `${before.sizeBytes} bytes`, `${after.sizeBytes} bytes`, clues);
  }
  const [old, now] = await Promise.all([readPartitionTable(before), readPartitionTable(after)]);
  if (old === undefined || now === undefined) {
    yield* comparePartition(before, after, [], clues);
    return;
  }
  let tableDiffers = false;
  for (const difference of compareTables(old, now, clues)) {
    tableDiffers = true;
    yield difference;
  }
  for (const region of regionsOf(now, after.sizeBytes, tableDiffers)) {
    const [a, b] = [before, after].map((source) => sliceOf(source, region.startBytes, region.sizeBytes)) as [
      ByteSource,
      ByteSource,
    ];
    if ((await findFirstDifference(a, b)) === undefined) continue;
    if (region.isPartition) {
      yield* comparePartition(a, b, [region.name], clues);
    } else {
      const difference = await byteDifference([region.name], a, b, clues);
      if (difference !== undefined) yield difference;
    }
  }
}

function* compareTables(before: PartitionTable, after: PartitionTable, clues: Clues): Generator<Difference> {
  const path = ['partition table'];
  const hex = (id: number) => id.toString(16).padStart(8, '0');
  if (before.diskId !== after.diskId) {
    yield valueDifference(path, 'disk id', hex(before.diskId), hex(after.diskId), clues);
  }
  for (let number = 1; number <= 4; number++) {
    const [a, b] = [before, after].map(({partitions}) => entryText(partitions, number));
    if (a !== b) yield valueDifference(path, `partition ${number}`, a ?? '', b ?? '', clues);
  }
}

function entryText(partitions: readonly Partition[], number: number): string {
  const found = partitions.find((partition) => partition.number === number);
  if (found === undefined) return 'none';
  const {type, bootable, startBytes, sizeBytes} = found;
  return `type ${type.toString(16)}, ${sizeBytes} bytes at ${startBytes}${bootable ? ', bootable' : ''}`;
}

/**
 * The partitions, and what lies before, between and behind them.
 *
 * @param tableDiffers a field of the table differs and has been named; its bytes say nothing more.
 */
function regionsOf({partitions}: PartitionTable, imageBytes: number, tableDiffers: boolean): Region[] {
  const regions: Region[] = [];
  let end = 0;
  const gap = (to: number, name: string) => {
    if (to > end) regions.push({name, startBytes: end, sizeBytes: to - end, isPartition: false});
  };
  regions.push({name: 'boot code', startBytes: 0, sizeBytes: diskIdAt, isPartition: false});
  if (!tableDiffers) {
    // Also what nobody reads any more: the places in cylinders, heads and sectors.
    regions.push({
      name: 'partition table',
      startBytes: diskIdAt,
      sizeBytes: 512 - diskIdAt,
      isPartition: false,
    });
  }
  end = 512;
  for (const {number, startBytes, sizeBytes} of [...partitions].sort((a, b) => a.startBytes - b.startBytes)) {
    gap(startBytes, `the gap before partition ${number}`);
    regions.push({name: `partition ${number}`, startBytes, sizeBytes, isPartition: true});
    end = Math.max(end, startBytes + sizeBytes);
  }
  gap(imageBytes, 'the end behind the last partition');
  return regions;
}

async function* comparePartition(
  before: ByteSource,
  after: ByteSource,
  path: readonly string[],
  clues: Clues,
): AsyncGenerator<Difference> {
  let found = false;
  let described: FileSystem | undefined;
  let here = path;
  try {
    const [old, now] = await Promise.all([openFileSystem(before), openFileSystem(after)]);
    if (old !== undefined && old.kind === now?.kind) {
      here = withKind(path, now.kind);
      described = now;
      for await (const difference of compareFileSystems(old, now, here, clues)) {
        found = true;
        yield difference;
      }
    }
  } catch (error) {
    // One that cannot be understood still has bytes.
    if (!(error instanceof DamagedError)) throw error;
    described = undefined;
  }
  if (found) return;
  const difference = await byteDifference(here, before, after, clues);
  if (difference === undefined) return;
  yield described === undefined
    ? difference
    : {...difference, what: described.describe(difference.offset ?? 0)};
}

function withKind(path: readonly string[], kind: string): string[] {
  const last = path.at(-1);
  return last === undefined ? [kind] : [...path.slice(0, -1), `${last} (${kind})`];
}

async function* compareFileSystems(
  before: FileSystem,
  after: FileSystem,
  path: readonly string[],
  clues: Clues,
): AsyncGenerator<Difference> {
  const where = [...path, before.kind === 'ext4' ? 'superblock' : 'boot sector'];
  const fields = before.identity.flatMap(({name, value, follows = false}, index) => {
    const now = after.identity[index]?.value ?? 'none';
    return value === now ? [] : [{follows, difference: valueDifference(where, name, value, now, clues)}];
  });
  for (const {follows, difference} of fields) if (!follows) yield difference;
  yield* compareTrees(await before.readTree(), await after.readTree(), path, clues);
  for (const {follows, difference} of fields) if (follows) yield difference;
}

async function openFileSystem(source: ByteSource): Promise<FileSystem | undefined> {
  return (await openExt4(source)) ?? (await openFat(source));
}
