import {createHash, randomBytes} from 'node:crypto';
import {rm, stat, writeFile} from 'node:fs/promises';
import {hostname} from 'node:os';
import {join} from 'node:path';
import {isProcessAlive} from '../process-alive.ts';
import {namesIn} from './record-file.ts';

/** Whether a process on another machine still runs cannot be asked; no download and no image takes longer. */
const foreignForMs = 2 * 86_400_000;

/** Which machine a lease is from. */
const host = createHash('sha256').update(hostname()).digest('hex').slice(0, 8);

/** Who uses which blob now: an empty file for each use, whose name says blob, machine and process. */
export class LeaseFolder {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  /** @returns what ends the lease; may be called again. */
  async take(sha256s: readonly string[]): Promise<() => Promise<void>> {
    const files: string[] = [];
    const release = async () => {
      for (const file of files.splice(0)) await rm(file, {force: true});
    };
    try {
      for (const sha256 of new Set(sha256s)) {
        const name = `${sha256}.${host}.${process.pid}.${randomBytes(6).toString('hex')}`;
        await writeFile(join(this.#path, name), '', {flag: 'wx'});
        files.push(join(this.#path, name));
      }
    } catch (error) {
      await release();
      throw error;
    }
    return release;
  }

  /** The blobs that are in use. */
  async leased(now: Date): Promise<ReadonlySet<string>> {
    const leases = await this.#read(now);
    return new Set(leases.filter(({isAlive}) => isAlive).map(({sha256}) => sha256));
  }

  /** Removes the leases of processes that are gone. */
  async removeStale(now: Date): Promise<void> {
    for (const {file, isAlive} of await this.#read(now)) if (!isAlive) await rm(file, {force: true});
  }

  async #read(now: Date) {
    const leases = [];
    for (const name of await namesIn(this.#path)) {
      const [sha256 = '', at, pid = ''] = name.split('.');
      const file = join(this.#path, name);
      const isAlive = at === host ? isProcessAlive(Number(pid)) : await isRecent(file, now);
      leases.push({sha256, file, isAlive});
    }
    return leases;
  }
}

async function isRecent(file: string, now: Date): Promise<boolean> {
  const stats = await stat(file).catch(() => undefined);
  return stats !== undefined && now.getTime() - stats.mtimeMs < foreignForMs;
}
