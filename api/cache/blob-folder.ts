import {randomBytes} from 'node:crypto';
import {chmod, copyFile, rename, rm, stat} from 'node:fs/promises';
import {join} from 'node:path';
import {z} from 'zod';
import type {CacheBlob} from './cache-entry.ts';
import {Sha256Hex, Time} from './entry-folder.ts';
import {hashFile} from './hash-file.ts';
import {isFull, namesIn, readRecord, writeRecord} from './record-file.ts';

/** For so long a hash that was found right is believed, as long as the file looks untouched. */
const hashedForMs = 30 * 86_400_000;

const BlobRecord = z.object({
  sizeBytes: z.number().int().nonnegative(),
  /** Of the file when it was added or hashed, in whole milliseconds: another one now means that somebody has written to it. */
  mtimeMs: z.number().int(),
  /** When its bytes were last read back from the disk. Absent as long as nobody has: what was written need not be there after a crash. */
  hashedOn: Time.optional(),
  addedOn: Time,
});
type BlobRecord = z.infer<typeof BlobRecord>;

export type BlobState = 'good' | 'absent' | 'damaged';

/** Files named by the SHA-256 of their content, read-only, each with a record beside it. */
export class BlobFolder {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  pathOf(sha256: string): string {
    return join(this.#path, sha256);
  }

  /** Moves a file here. It takes the place of one with this name, which may be damaged without anybody having noticed. */
  async add(path: string, {sha256, sizeBytes}: CacheBlob, now: Date): Promise<void> {
    const target = this.pathOf(sha256);
    await chmod(path, 0o444);
    await rename(path, target).catch(async (error: unknown) => {
      if ((error as NodeJS.ErrnoException).code !== 'EXDEV') throw error;
      const copy = `${target}.${randomBytes(6).toString('hex')}.new`;
      try {
        await copyFile(path, copy);
        await rename(copy, target);
      } finally {
        await rm(copy, {force: true});
      }
      await rm(path, {force: true});
    });
    const mtimeMs = Math.floor((await stat(target)).mtimeMs);
    // Without the record the content is hashed at its next use, that is all.
    await this.#write(sha256, {sizeBytes, mtimeMs, addedOn: now.toISOString()}).catch((error: unknown) => {
      if (!isFull(error)) throw error;
    });
  }

  /** Size of the file; undefined when there is none. */
  async sizeOf(sha256: string): Promise<number | undefined> {
    const stats = await stat(this.pathOf(sha256)).catch(() => undefined);
    return stats?.isFile() === true ? stats.size : undefined;
  }

  /**
   * Whether the content is what it should be. It is read when `mustHash` says so, when it has not been read back since it
   * was written, when the file was written to since, and once in 30 days.
   */
  async check(
    {sha256, sizeBytes}: CacheBlob,
    options: {readonly mustHash: boolean; readonly now: Date; readonly signal?: AbortSignal | undefined},
  ): Promise<BlobState> {
    const path = this.pathOf(sha256);
    const stats = await stat(path).catch(() => undefined);
    if (stats === undefined) return 'absent';
    if (!stats.isFile() || stats.size !== sizeBytes) return 'damaged';
    const mtimeMs = Math.floor(stats.mtimeMs);
    const record = await this.#read(sha256);
    const hashedMs = Date.parse(record?.hashedOn ?? '');
    const ageMs = options.now.getTime() - hashedMs;
    const isBelieved = record?.mtimeMs === mtimeMs && ageMs >= 0 && ageMs < hashedForMs;
    if (isBelieved && !options.mustHash) return 'good';
    if ((await hashFile(path, options.signal)) !== sha256) return 'damaged';
    const hashedOn = options.now.toISOString();
    const addedOn = record?.addedOn ?? hashedOn;
    // Only a memory of the work: without it the next use hashes again.
    await this.#write(sha256, {sizeBytes, mtimeMs, hashedOn, addedOn}).catch(() => undefined);
    return 'good';
  }

  async remove(sha256: string): Promise<void> {
    // The file goes first: a record without a file is nothing, a file without a record would be hashed.
    await rm(this.pathOf(sha256), {recursive: true, force: true});
    await rm(this.#recordOf(sha256), {force: true});
  }

  /** Blobs that are here, with when they came. */
  async list(): Promise<readonly (CacheBlob & {readonly addedOn: string})[]> {
    const blobs = [];
    for (const sha256 of await namesIn(this.#path)) {
      if (!Sha256Hex.safeParse(sha256).success) continue;
      const stats = await stat(this.pathOf(sha256)).catch(() => undefined);
      if (stats === undefined) continue;
      const addedOn = (await this.#read(sha256))?.addedOn ?? stats.mtime.toISOString();
      blobs.push({sha256, sizeBytes: stats.size, addedOn});
    }
    return blobs;
  }

  /** Removes records without a file, and copies that were not finished. */
  async removeRemains(): Promise<void> {
    const names = await namesIn(this.#path);
    const present = new Set(names);
    for (const name of names) {
      const isOrphan = name.endsWith('.json') && !present.has(name.slice(0, -5));
      if (isOrphan || name.endsWith('.new')) await rm(join(this.#path, name), {force: true});
    }
  }

  #recordOf(sha256: string): string {
    return `${this.pathOf(sha256)}.json`;
  }

  #read(sha256: string): Promise<BlobRecord | undefined> {
    return readRecord(this.#recordOf(sha256), BlobRecord);
  }

  #write(sha256: string, record: BlobRecord): Promise<void> {
    return writeRecord(this.#recordOf(sha256), record);
  }
}
