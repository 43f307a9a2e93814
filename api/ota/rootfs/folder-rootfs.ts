import {lstatSync, readdirSync, readlinkSync, type Stats} from 'node:fs';
import {realpath} from 'node:fs/promises';
import {OtaError} from '../ota-error.ts';
import {decodeName, EntryList} from './entry-list.ts';
import {wholeFile} from './file-content.ts';
import {readXattrs} from './folder-xattrs.ts';
import {fileTypes, type Rootfs} from './rootfs.ts';

/**
 * Reads a root file system from a folder. Other file systems mounted in it belong to it.
 * @throws {OtaError} ROOTFS_INVALID, NAME_NOT_UTF8, TOOL_MISSING
 */
export async function openFolderRootfs(folder: string, signal?: AbortSignal): Promise<Rootfs> {
  const root = await realpath(folder);
  const xattrs = await readXattrs(root, signal);
  const list = new EntryList();
  // Blocking calls: for a walk they take a tenth of the time of asynchronous ones.
  const walk = (path: string): void => {
    const real = path === '/' ? root : `${root}${path}`;
    const stat = lstatSync(real);
    const type = stat.mode & fileTypes.mask;
    list.add(
      {
        path,
        mode: stat.mode,
        uid: stat.uid,
        gid: stat.gid,
        xattrs: xattrs.get(path) ?? new Map(),
        ...(type !== fileTypes.folder && stat.nlink > 1 && {links: linksOf(real, stat)}),
        ...(type === fileTypes.file && {content: wholeFile(real, stat.size)}),
        ...(type === fileTypes.link && {
          target: decodeName(readlinkSync(real, {encoding: 'buffer'}), `The target of the link ${path}`),
        }),
      },
      {isDevice00: stat.rdev === 0},
    );
    if (type !== fileTypes.folder) return;
    signal?.throwIfAborted();
    for (const name of readdirSync(real, {encoding: 'buffer'})) {
      walk(`${path === '/' ? '' : path}/${decodeName(name, `A name in ${path}`)}`);
    }
  };
  try {
    walk('/');
  } catch (error) {
    if (error instanceof OtaError || (error as NodeJS.ErrnoException).syscall === undefined) throw error;
    throw new OtaError('ROOTFS_INVALID', `The root file system cannot be read: ${(error as Error).message}`, {
      cause: error,
    });
  }
  return list.finish();
}

/** Inode numbers are unique only within their file system, and may be larger than a number can hold. */
function linksOf(path: string, {nlink}: Stats): {key: string; count: number} {
  const {dev, ino} = lstatSync(path, {bigint: true});
  return {key: `${dev}:${ino}`, count: nlink};
}
