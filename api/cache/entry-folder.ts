import {createHash} from 'node:crypto';
import {rm} from 'node:fs/promises';
import {join} from 'node:path';
import {z} from 'zod';
import type {CacheEntry, CacheKey} from './cache-entry.ts';
import {namesIn, readRecord, writeRecord} from './record-file.ts';

export const Sha256Hex = z.string().regex(/^[0-9a-f]{64}$/);
const Count = z.number().int().nonnegative();
export const Time = z.iso.datetime();

const EntryRecord = z.object({
  kind: z.enum(['file', 'oci_image']),
  source: z.string(),
  blobs: z.array(z.object({sha256: Sha256Hex, sizeBytes: Count})).min(1),
  validator: z.object({
    etag: z.string().optional(),
    lastModified: z.string().optional(),
    digest: z.string().optional(),
  }),
  addedOn: Time,
  lastUsedOn: Time,
  lastCheckedOn: Time,
  uses: Count,
});
type EntryRecord = z.infer<typeof EntryRecord>;

/** The records of entries, a JSON file each: they need nothing of the file system but names. */
export class EntryFolder {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  async read(key: CacheKey): Promise<CacheEntry | undefined> {
    const record = await readRecord(this.#fileOf(key), EntryRecord);
    return record?.kind === key.kind && record.source === key.source ? toEntry(record) : undefined;
  }

  /** In the order of their sources. */
  async readAll(): Promise<readonly CacheEntry[]> {
    const entries: CacheEntry[] = [];
    for (const name of await namesIn(this.#path)) {
      if (!name.endsWith('.json')) continue;
      const record = await readRecord(join(this.#path, name), EntryRecord);
      // One under another's name was put there by hand; it would be found by nobody.
      if (record !== undefined && name === `${idOf(record)}.json`) entries.push(toEntry(record));
    }
    return entries.sort((a, b) => (a.source < b.source ? -1 : a.source > b.source ? 1 : 0));
  }

  async write({sizeBytes: _, ...record}: CacheEntry): Promise<void> {
    await writeRecord(this.#fileOf(record), record);
  }

  async remove(key: CacheKey): Promise<void> {
    await rm(this.#fileOf(key), {force: true});
  }

  /** Removes what is no record: cut off by a full disk, or written by somebody else. */
  async removeUnreadable(): Promise<void> {
    const known = new Set((await this.readAll()).map((entry) => `${idOf(entry)}.json`));
    for (const name of await namesIn(this.#path)) {
      if (!known.has(name)) await rm(join(this.#path, name), {recursive: true, force: true});
    }
  }

  #fileOf(key: CacheKey): string {
    return join(this.#path, `${idOf(key)}.json`);
  }
}

/** A name for files about a source: addresses have characters, and lengths, that names of files cannot have. */
export function idOf({kind, source}: CacheKey): string {
  return createHash('sha256').update(`${kind}\n${source}`).digest('hex').slice(0, 32);
}

/** The bytes that blobs take, one that is there twice once. */
export function totalOf(blobs: CacheEntry['blobs']): number {
  const sizes = new Map(blobs.map(({sha256, sizeBytes}) => [sha256, sizeBytes]));
  return [...sizes.values()].reduce((sum, size) => sum + size, 0);
}

function toEntry(record: EntryRecord): CacheEntry {
  return {...record, sizeBytes: totalOf(record.blobs)};
}
