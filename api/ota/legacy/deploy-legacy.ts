import {createWriteStream} from 'node:fs';
import {chmod, chown, lchown, link, lstat, mkdir, rm, symlink} from 'node:fs/promises';
import {dirname, join} from 'node:path';
import {Readable} from 'node:stream';
import {pipeline} from 'node:stream/promises';
import {OtaError} from '../ota-error.ts';
import {checkedContent} from './check-content.ts';
import {checkPath, type LegacyImage} from './legacy-image.ts';

/**
 * Makes the root file system of a legacy image in a new folder; every content is checked on the way. After a failure
 * nothing is left. Owners need root.
 *
 * @throws {OtaError} OUTPUT_EXISTS, and what is wrong in the image
 */
export async function deployLegacyImage(
  image: LegacyImage,
  folder: string,
  signal?: AbortSignal,
): Promise<void> {
  const [directories, symlinks, regulars] = [
    await image.directories(),
    await image.symlinks(),
    await image.regulars(),
  ];
  for (const {path} of [...directories, ...symlinks, ...regulars]) checkPath(path);
  await mkdir(folder).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    throw new OtaError('OUTPUT_EXISTS', `${folder} exists already`, {cause: error});
  });
  const folders = new Set<string>();
  /** Refuses to write over a link: a folder of the image may be listed as a link, too. */
  const inside = async (path: string): Promise<string> => {
    const parent = dirname(path);
    if (parent !== '/' && !folders.has(parent)) {
      const found = await lstat(join(folder, parent)).catch(() => undefined);
      if (!found?.isDirectory()) {
        throw new OtaError(
          'PATH_UNSAFE',
          `${JSON.stringify(path)} lies in ${JSON.stringify(parent)}, which is no folder of the image`,
        );
      }
      folders.add(await inside(parent).then(() => parent));
    }
    return join(folder, path);
  };
  try {
    for (const {path} of [...directories].sort((a, b) => (a.path < b.path ? -1 : 1)))
      await mkdir(await inside(path), {recursive: true});
    const links = new Map<string, string>();
    for (const line of regulars) {
      signal?.throwIfAborted();
      const file = await inside(line.path);
      const first = line.inode === undefined ? undefined : links.get(line.inode);
      if (first !== undefined) {
        await link(first, file);
        continue;
      }
      const content = checkedContent(line, await image.stored(line));
      // Pieces lie in memory that is used again.
      const copied = (async function* () {
        for await (const piece of content) yield Buffer.from(piece);
      })();
      await pipeline(Readable.from(copied), createWriteStream(file, {flags: 'wx'}));
      await chown(file, line.uid, line.gid);
      await chmod(file, line.mode);
      if (line.inode !== undefined) links.set(line.inode, file);
    }
    for (const {path, target, uid, gid} of symlinks) {
      const file = await inside(path);
      await symlink(target, file);
      await lchown(file, uid, gid);
    }
    for (const {path, uid, gid, mode} of directories) {
      await chown(join(folder, path), uid, gid);
      await chmod(join(folder, path), mode);
    }
  } catch (error) {
    await rm(folder, {recursive: true, force: true});
    throw error;
  }
}
