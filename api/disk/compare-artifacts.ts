import {rm} from 'node:fs/promises';
import {join} from 'node:path';
import {FileSource, type ByteSource} from './byte-source.ts';
import {compareImages} from './compare-images.ts';
import {compareTrees} from './compare-trees.ts';
import {byteDifference, valueDifference, type Difference} from './difference.ts';
import {DamagedError, type TreeEntry} from './file-system.ts';
import {findFirstDifference} from './first-difference.ts';
import type {Clues} from './guess-cause.ts';
import {readTar} from './tar-archive.ts';
import {unpackGzip, unpackZip} from './unpack.ts';

/** What the comparison of two files needs besides them. */
export interface ComparisonRoom {
  /** An empty folder for what is unpacked. */
  readonly folder: string;
  readonly clues: Clues;
  /** Unpacks a zstd file, which Node cannot before its version 22. */
  readonly unpackZstd: (from: string, to: string) => Promise<void>;
}

type Unpack = (from: string, to: string) => Promise<void>;

/**
 * Where two versions of an artifact differ, from the outside in: what is packed is unpacked, images are taken apart
 * into partitions and files, archives into their entries. What is no such thing is compared byte by byte.
 *
 * @param name Its name, which says what it is.
 */
export async function* compareArtifacts(
  name: string,
  before: string,
  after: string,
  room: ComparisonRoom,
): AsyncGenerator<Difference> {
  await using old = await FileSource.open(before);
  await using now = await FileSource.open(after);
  if ((await findFirstDifference(old, now)) === undefined) return;
  const unpack = unpackerOf(name, room);
  const inner = name.replace(/\.(zip|zst|gz)$/, '');
  let found = false;
  let isUnderstood = unpack !== undefined;
  try {
    const differences =
      unpack === undefined
        ? compareContents(inner, old, now, room.clues)
        : compareUnpacked(inner, before, after, unpack, room);
    for await (const difference of differences) {
      found = true;
      yield difference;
    }
  } catch (error) {
    if (!(error instanceof DamagedError)) throw error;
    isUnderstood = false;
  }
  if (!found) yield* compareWrapping(name, old, now, isUnderstood, room.clues);
}

function unpackerOf(name: string, room: ComparisonRoom): Unpack | undefined {
  if (name.endsWith('.zip')) return unpackZip;
  if (name.endsWith('.gz')) return unpackGzip;
  return name.endsWith('.zst') ? room.unpackZstd : undefined;
}

async function* compareUnpacked(
  name: string,
  before: string,
  after: string,
  unpack: Unpack,
  room: ComparisonRoom,
): AsyncGenerator<Difference> {
  const [a, b] = [join(room.folder, 'before'), join(room.folder, 'after')];
  try {
    await unpack(before, a);
    await unpack(after, b);
    await using old = await FileSource.open(a);
    await using now = await FileSource.open(b);
    yield* compareContents(name, old, now, room.clues);
  } finally {
    await Promise.all([a, b].map((path) => rm(path, {force: true})));
  }
}

async function* compareContents(
  name: string,
  before: ByteSource,
  after: ByteSource,
  clues: Clues,
): AsyncGenerator<Difference> {
  if (name.endsWith('.img')) {
    yield* compareImages(before, after, clues);
  } else if (name.endsWith('.tar')) {
    yield* compareTars(await readTar(before), await readTar(after), clues);
  } else {
    const difference = await byteDifference([name], before, after, clues);
    if (difference !== undefined) yield {...difference, path: []};
  }
}

async function* compareTars(
  before: ReadonlyMap<string, TreeEntry>,
  after: ReadonlyMap<string, TreeEntry>,
  clues: Clues,
): AsyncGenerator<Difference> {
  let found = false;
  for await (const difference of compareTrees(before, after, [], clues)) {
    found = true;
    yield difference;
  }
  if (found) return;
  const [old, now] = [[...before.keys()], [...after.keys()]];
  const index = old.findIndex((path, at) => path !== now[at]);
  if (index === -1) return;
  const entry = (path: string | undefined) => `entry ${index + 1} is ${path ?? 'absent'}`;
  yield valueDifference([], 'order of entries', entry(old[index]), entry(now[index]), clues);
}

/** Where the time of the file lies in the header of a zip. */
const zipTime = {start: 10, end: 14};

/** Nothing inside differs, or it was not understood: then the files themselves are compared. */
async function* compareWrapping(
  name: string,
  before: ByteSource,
  after: ByteSource,
  isSameInside: boolean,
  clues: Clues,
): AsyncGenerator<Difference> {
  const difference = await byteDifference([name], before, after, clues);
  if (difference === undefined) return;
  const {offset = 0, probably} = difference;
  if (!isSameInside) {
    yield {...difference, path: []};
  } else if (name.endsWith('.zip') && offset >= zipTime.start && offset < zipTime.end) {
    yield {...difference, path: [], what: 'zip header', probably: 'the time stamp in the header of zip'};
  } else {
    const packer = 'the version or the number of threads of the program that compressed it';
    const cause = probably?.includes('gzip') === true ? probably : packer;
    yield {...difference, path: [], what: 'packing (the content is the same)', probably: cause};
  }
}
