import {stat, statfs} from 'node:fs/promises';
import {dirname, resolve} from 'node:path';
import {formatByteSize} from '../../configs/human-units.ts';
import {PipelineError} from '../errors.ts';

/** Room that is needed in a folder, which need not be there yet. */
export interface SpaceNeed {
  readonly folder: string;
  readonly bytes: number;
}

/**
 * Checks that there is room, for all folders of the same file system together.
 *
 * @throws PipelineError `NO_SPACE` that says how much is missing.
 */
export async function checkFreeSpace(needs: readonly SpaceNeed[]): Promise<void> {
  const byDevice = new Map<number, {bytes: number; folders: string[]; free: number}>();
  for (const {folder, bytes} of needs) {
    if (bytes === 0) continue;
    const existing = await nearestFolder(resolve(folder));
    const {dev} = await stat(existing);
    const {bavail, bsize} = await statfs(existing);
    const known = byDevice.get(dev) ?? {bytes: 0, folders: [], free: bavail * bsize};
    byDevice.set(dev, {...known, bytes: known.bytes + bytes, folders: [...known.folders, folder]});
  }
  for (const {bytes, folders, free} of byDevice.values()) {
    if (bytes <= free) continue;
    throw new PipelineError(
      'NO_SPACE',
      `there is not enough room in ${[...new Set(folders)].join(' and ')}: ${formatByteSize(bytes)} are needed, ${formatByteSize(free)} are free (${formatByteSize(bytes - free)} are missing)`,
      {hint: 'Make room, or name another place: OUTPUT, --build-dir, --cache-dir.'},
    );
  }
}

async function nearestFolder(folder: string): Promise<string> {
  for (let path = folder; ; path = dirname(path)) {
    const isThere = await stat(path).then(
      () => true,
      () => false,
    );
    if (isThere || path === dirname(path)) return path;
  }
}
