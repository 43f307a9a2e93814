import {constants} from 'node:fs';
import {chmod, copyFile, rm} from 'node:fs/promises';

/**
 * Puts a file of the cache, which stays as it is, somewhere else to be worked with: a clone that shares its blocks where
 * the file system can (Btrfs, XFS, APFS), else a copy. Never a hard link: writing to that would damage the cache.
 *
 * @throws what the file system says; `EEXIST` when there is something at `to`. Nothing of a copy is left then.
 */
export async function placeFile(from: string, to: string): Promise<void> {
  try {
    await copyFile(from, to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
    await chmod(to, 0o644);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') await rm(to, {force: true});
    throw error;
  }
}
