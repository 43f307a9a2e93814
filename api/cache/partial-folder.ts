import {rm, stat} from 'node:fs/promises';
import {join} from 'node:path';
import {namesIn} from './record-file.ts';

/** What is not complete is kept for so long after it was last worked on. */
export const remainsForMs = 7 * 86_400_000;

/** The parts of downloads that were broken off: a folder for each source. */
export interface Remains {
  readonly count: number;
  readonly sizeBytes: number;
}

/** Sums up parts of downloads. */
export async function measureRemains(folder: string): Promise<Remains> {
  const sizes = await Promise.all((await namesIn(folder)).map((name) => newestOf(join(folder, name))));
  return {count: sizes.length, sizeBytes: sizes.reduce((sum, {sizeBytes}) => sum + sizeBytes, 0)};
}

/** Removes parts that nobody has gone on with for a week. */
export async function removeOldRemains(folder: string, now: Date): Promise<void> {
  for (const name of await namesIn(folder)) {
    const path = join(folder, name);
    const {mtimeMs} = await newestOf(path);
    if (now.getTime() - mtimeMs > remainsForMs) await rm(path, {recursive: true, force: true});
  }
}

async function newestOf(folder: string): Promise<{readonly sizeBytes: number; readonly mtimeMs: number}> {
  const names = await namesIn(folder).catch(() => []);
  const stats = await Promise.all(
    [folder, ...names.map((name) => join(folder, name))].map((path) => stat(path).catch(() => undefined)),
  );
  return {
    sizeBytes: stats.reduce((sum, one) => sum + (one?.isFile() === true ? one.size : 0), 0),
    mtimeMs: Math.max(0, ...stats.map((one) => one?.mtimeMs ?? 0)),
  };
}
