import {execFile} from 'node:child_process';
import {chmodSync, chownSync, lchownSync, linkSync, mkdirSync, symlinkSync} from 'node:fs';
import {promisify} from 'node:util';
import {OtaError} from '../../ota-error.ts';
import type {DirectoryRow, NonRegularRow} from '../model/file-table.ts';
import type {HardLink} from './deploy-plan.ts';

const run = promisify(execFile);
const typeMask = 0o170000;
const symlinkType = 0o120000;
const characterDeviceType = 0o020000;

/** Makes the directories, open to nobody else until all is done. The root is there already. */
export function makeDirectories(root: string, directories: readonly DirectoryRow[]): void {
  for (const {path} of directories) if (path !== '/') mkdirSync(root + path, 0o700);
}

/** Gives the directories their owners and modes, the deepest first: afterwards not all of them can be written to. */
export function finishDirectories(root: string, directories: readonly DirectoryRow[]): void {
  for (const {path, inode} of [...directories].reverse()) {
    const place = path === '/' ? root : root + path;
    chownSync(place, inode.uid, inode.gid);
    chmodSync(place, inode.mode & 0o7777);
  }
}

export function makeHardLinks(root: string, links: readonly HardLink[]): void {
  for (const {path, of} of links) linkSync(root + of, root + path);
}

/** Makes symbolic links and whiteouts; other types are not kept by the format and are passed over. */
export async function makeNonRegulars(root: string, rows: readonly NonRegularRow[]): Promise<void> {
  for (const {path, inode, target} of rows) {
    const type = inode.mode & typeMask;
    const place = root + path;
    if (type === symlinkType) {
      if (target === undefined || target === '' || target.includes('\0')) {
        throw new OtaError('TABLE_INVALID', `The symbolic link ${JSON.stringify(path)} has no target`);
      }
      symlinkSync(target, place);
      lchownSync(place, inode.uid, inode.gid);
    } else if (type === characterDeviceType) {
      // Node.js has no call for it; whiteouts of overlay file systems are few.
      await run('mknod', ['--', place, 'c', '0', '0']);
      chownSync(place, inode.uid, inode.gid);
      chmodSync(place, inode.mode & 0o7777);
    }
  }
}
