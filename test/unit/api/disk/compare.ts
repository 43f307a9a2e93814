import {writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {compareArtifacts} from '../../../../api/disk/compare-artifacts.ts';
import type {Difference} from '../../../../api/disk/difference.ts';
import type {Clues} from '../../../../api/disk/guess-cause.ts';
import {makeTempFolder} from '../temp-folder.ts';

/** 2026-11-20T17:10:00Z */
export const nowSeconds = 1_795_194_600;

export const clues: Clues = {nowSeconds, hostNames: ['build-host-7']};

/** Every difference between two versions of an artifact; zstd is played by a copy. */
export async function compare(name: string, before: Buffer, after: Buffer): Promise<Difference[]> {
  const folder = await makeTempFolder();
  const [a, b] = [join(folder, 'a'), join(folder, 'b')];
  await writeFile(a, before);
  await writeFile(b, after);
  const differences: Difference[] = [];
  const room = {folder, clues, unpackZstd: () => Promise.reject(new Error('no zstd in unit tests'))};
  for await (const difference of compareArtifacts(name, a, b, room)) differences.push(difference);
  return differences;
}

/** A difference in one line, as `partition 2 (ext4) → /etc/hostname → content 3`. */
export function place({path, what, offset}: Difference): string {
  return [...path, offset === undefined ? what : `${what} ${offset}`].join(' → ');
}
