import {chmod, chown, lstat, mkdir, readdir, readFile, realpath, rm, stat, symlink} from 'node:fs/promises';
import {basename, join} from 'node:path';
import {asOtaError} from '../../io-error.ts';
import {OtaError} from '../../ota-error.ts';
import {layout} from '../model/layout.ts';
import {compilePattern} from './cleanup-pattern.ts';

/** Emptied: the running system fills them. Their owner and mode stay, so that /tmp keeps 1777. */
const emptied = ['dev', 'proc', 'sys', 'run', 'tmp'];
const removed = ['lost+found', '.dockerenv'];
const defaultPatterns = [
  '/var/log/**/*.log*',
  '/var/log/**/*.journal*',
  '/var/log/dmesg*',
  '/var/log/lastlog',
  '/var/log/syslog',
  '/var/log/syslog.*',
];
const stubResolv = '../run/systemd/resolve/stub-resolv.conf';

/**
 * Removes from a root file system in a folder what does not belong into an image. `patternText`: one pattern for each line;
 * `#` and `//` start a remark.
 * @returns what was removed, as paths in the root file system
 * @throws {OtaError} ROOTFS_INVALID, also for the folder of an OTA image
 */
export async function prepareSysimg(folder: string, patternText = ''): Promise<readonly string[]> {
  const root = await checkRoot(folder);
  const patterns = [...readPatterns(patternText), ...defaultPatterns].map(compilePattern);
  const done: string[] = [];
  try {
    for (const name of emptied) await empty(join(root, name));
    for (const name of removed) await rm(join(root, name), {recursive: true, force: true});
    const walk = async (path: string): Promise<void> => {
      for (const entry of await readdir(join(root, path), {withFileTypes: true})) {
        const child = `${path}/${entry.name}`;
        if (patterns.some((pattern) => pattern.test(child))) {
          await rm(join(root, child), {recursive: true, force: true});
          done.push(child);
        } else if (entry.isDirectory()) {
          await walk(child);
        }
      }
    };
    await walk('');
    await resetResolvConf(root);
  } catch (error) {
    throw asOtaError(error);
  }
  return done.sort();
}

async function checkRoot(folder: string): Promise<string> {
  const found = await stat(folder).catch(() => undefined);
  if (!found?.isDirectory()) throw new OtaError('ROOTFS_INVALID', `${folder} is not a folder`);
  const root = await realpath(folder);
  if (root === '/')
    throw new OtaError('ROOTFS_INVALID', 'The root file system of this machine is not prepared');
  if (await stat(join(root, layout.index)).catch(() => undefined))
    throw new OtaError('ROOTFS_INVALID', `${folder} is the folder of an OTA image, not a root file system`);
  return root;
}

/** Two old kinds of line belong to another tool and are passed over. */
function readPatterns(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#') && !line.startsWith('//'))
    .filter((line) => !/^\/?home\/autoware\/[^/]*\/build/.test(line) && !/^\/?boot\/ota/.test(line));
}

async function empty(path: string): Promise<void> {
  const before = await lstat(path).catch(() => undefined);
  await rm(path, {recursive: true, force: true});
  await mkdir(path);
  const isFolder = before?.isDirectory() ?? false;
  if (before && isFolder) await chown(path, before.uid, before.gid);
  // A new one has what a fresh system gives it, under any umask.
  await chmod(path, before && isFolder ? before.mode & 0o7777 : basename(path) === 'tmp' ? 0o1777 : 0o755);
}

/** A resolv.conf for a resolver on the device itself stays; any other is that of the machine where this was made. */
async function resetResolvConf(root: string): Promise<void> {
  const etc = join(root, 'etc');
  if (!(await lstat(etc).catch(() => undefined))?.isDirectory()) return;
  const path = join(etc, 'resolv.conf');
  const found = await lstat(path).catch(() => undefined);
  if (found?.isFile()) {
    const servers = [...(await readFile(path, 'utf8')).matchAll(/^\s*nameserver\s+(\S+)/gm)].map(
      ([, one]) => one ?? '',
    );
    if (servers.length > 0 && servers.every((one) => one.startsWith('127.') || one === '::1')) return;
  }
  await rm(path, {recursive: true, force: true});
  await symlink(stubResolv, path);
}
