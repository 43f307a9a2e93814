import {readdir, readFile, rename, rm, stat} from 'node:fs/promises';
import {join} from 'node:path';
import {check, lock} from 'proper-lockfile';
import {withoutPassword} from './git-error.ts';

/** A repository in the folder of {@link GitCache}. */
export interface StoredRepository {
  readonly path: string;
  /** Its address, without a password. */
  readonly address: string;
  readonly sizeBytes: number;
  readonly addedOn: Date;
  readonly lastUsedOn: Date;
  /** A process works with it now, or has until a moment ago. */
  readonly isInUse: boolean;
}

/** What is fetched is read soon afterwards, without a lock. */
const restMs = 3_600_000;

/** The repositories that have been fetched into a folder; none when it is not there. */
export async function listRepositories(folder: string, now: Date): Promise<readonly StoredRepository[]> {
  const names = await readdir(folder).catch(() => []);
  const repositories: StoredRepository[] = [];
  for (const name of names.filter((one) => /^[0-9a-f]{32}$/.test(one))) {
    const path = join(folder, name);
    const config = await readFile(join(path, 'config'), 'utf8').catch(() => '');
    const address = /^\s*url\s*=\s*(.+?)\s*$/m.exec(config)?.[1];
    const head = await stat(join(path, 'HEAD')).catch(() => undefined);
    const own = await stat(path).catch(() => undefined);
    if (head === undefined || own === undefined) continue;
    const isLocked = await check(path, {realpath: false}).catch(() => false);
    repositories.push({
      path,
      address: address === undefined ? name : withoutPassword(address),
      sizeBytes: await sizeOf(path),
      addedOn: head.mtime,
      lastUsedOn: own.mtime,
      isInUse: isLocked || now.getTime() - own.mtimeMs < restMs,
    });
  }
  return repositories;
}

/** Removes a repository unless a process is at work in it. */
export async function removeRepository({path}: StoredRepository): Promise<boolean> {
  const release = await lock(path, {realpath: false}).catch(() => undefined);
  if (release === undefined) return false;
  try {
    // In one step: a repository of which half is gone would count as one that has it all.
    await rename(path, `${path}.removed`);
    await rm(`${path}.removed`, {recursive: true, force: true});
    return true;
  } finally {
    await release();
  }
}

async function sizeOf(folder: string): Promise<number> {
  const items = await readdir(folder, {recursive: true, withFileTypes: true}).catch(() => []);
  let sum = 0;
  for (const item of items) {
    if (item.isFile())
      sum += (await stat(join(item.parentPath, item.name)).catch(() => undefined))?.size ?? 0;
  }
  return sum;
}
