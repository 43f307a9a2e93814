import type {ByteSource} from './byte-source.ts';
import {findFirstDifference} from './first-difference.ts';
import {guessCause, type Clues} from './guess-cause.ts';
import {hexdump} from './hexdump.ts';

/** One place in which two versions of an artifact differ. */
export interface Difference {
  /** From the outside in, as `partition 2 (ext4)`, `/etc/hostname`; empty for the artifact itself. */
  readonly path: readonly string[];
  /** What differs there: `content`, `size`, `mtime`, `UUID`, … */
  readonly what: string;
  /** Of the first byte that differs, counted from the beginning of the innermost thing of `path`. */
  readonly offset?: number;
  /** The two values, for a person. */
  readonly before: string;
  readonly after: string;
  /** Around the first byte that differs, in the form of `hexdump -C`. */
  readonly hexdump?: {readonly before: readonly string[]; readonly after: readonly string[]};
  /** Where such a difference usually comes from. */
  readonly probably?: string;
}

/** Bytes shown and judged before the first that differs; a whole number of rows. */
const leadBytes = 32;
const windowBytes = 96;
const shownBytes = 48;

/** A difference of a named value. */
export function valueDifference(
  path: readonly string[],
  what: string,
  before: string,
  after: string,
  clues: Clues,
): Difference {
  const probably = guessCause({file: path.at(-1) ?? '', what, before, after}, clues);
  return {path, what, before, after, ...(probably !== undefined && {probably})};
}

/** The first difference in the bytes of two sources, or undefined when they are the same. */
export async function byteDifference(
  path: readonly string[],
  before: ByteSource,
  after: ByteSource,
  clues: Clues,
): Promise<Difference | undefined> {
  const offset = await findFirstDifference(before, after);
  if (offset === undefined) return undefined;
  const start = Math.max(0, Math.floor((offset - leadBytes) / 16) * 16);
  const [a, b] = await Promise.all([before.read(start, windowBytes), after.read(start, windowBytes)]);
  const sizes = {before: before.sizeBytes, after: after.sizeBytes};
  const probably = guessCause(
    {
      file: path.at(-1) ?? '',
      what: 'content',
      before: sizeText(sizes.before),
      after: sizeText(sizes.after),
      bytes: {before: a, after: b, at: offset - start, offset},
      whole: await wholeTexts(before, after),
    },
    clues,
  );
  return {
    path,
    what: 'content',
    offset,
    before: sizeText(sizes.before),
    after: sizeText(sizes.after),
    hexdump: {
      before: hexdump(a.subarray(0, shownBytes + leadBytes), start),
      after: hexdump(b.subarray(0, shownBytes + leadBytes), start),
    },
    ...(probably !== undefined && {probably}),
  };
}

function sizeText(bytes: number): string {
  return `${bytes} bytes`;
}

/** Small files as a whole: whether they have the same lines in another order can only be told from all of them. */
async function wholeTexts(
  before: ByteSource,
  after: ByteSource,
): Promise<{before: Buffer; after: Buffer} | undefined> {
  const most = 4 * 1024 * 1024;
  if (before.sizeBytes > most || after.sizeBytes > most) return undefined;
  return {before: await before.read(0, most), after: await after.read(0, most)};
}
