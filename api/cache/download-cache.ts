import {mkdir} from 'node:fs/promises';
import {homedir} from 'node:os';
import {join, resolve} from 'node:path';
import {ConfigError} from '../../configs/config-error.ts';
import {PipelineError} from '../errors.ts';
import type {LockOptions} from './cache-lock.ts';
import {cacheFolders, FolderCache} from './folder-cache.ts';
import type {Remains} from './partial-folder.ts';
import {readPolicy} from './policy-file.ts';
import type {BlobLease, CacheBlob, CacheEntry, CacheKey, EntryLease, Validator} from './cache-entry.ts';
import type {CachePolicy} from './policy.ts';

/** Something that would be added: its size where it is known, else 0. */
export interface CacheCandidate extends CacheKey {
  readonly sizeBytes: number;
}

/** An entry that the policy does not keep. */
export interface Eviction {
  readonly entry: CacheEntry;
  /** Which rule, in words: `files.filters[0].max_age: added 40 days ago, kept for 30`. */
  readonly reason: string;
}

/** Something that is wrong with an entry. */
export interface CacheDamage {
  readonly entry: CacheEntry;
  readonly problem: string;
}

export interface UseOptions {
  /**
   * Hash the content before it is used. Without it that is done the first time that it is read back, once in 30 days, and
   * when the file was written to since.
   */
  readonly mustHash?: boolean | undefined;
  /** What the server has just said of it: that it still has the same. Noted with the use. */
  readonly checked?: Validator | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface VerifyCacheOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called before an entry is read. */
  readonly onEntry?: ((entry: CacheEntry) => void) | undefined;
}

/**
 * A folder of downloads that several processes may use at once. What is in it is complete; what has turned out to be
 * damaged is removed and not found.
 */
export interface DownloadCache {
  readonly folder: string;
  readonly policy: CachePolicy;

  /** All entries; nothing is read but their records. */
  list(): Promise<readonly CacheEntry[]>;

  /** The record of an entry, if its files are there with the right sizes. Changes nothing. */
  find(key: CacheKey): Promise<CacheEntry | undefined>;

  /** An entry to read, verified: by size always, by hash on demand or by age. Counts as a use. */
  use(key: CacheKey, options?: UseOptions): Promise<EntryLease | undefined>;

  /** Notes that the server still has the same. */
  markChecked(key: CacheKey, validator: Validator): Promise<void>;

  /** Whether the server need not be asked yet about an entry (`check_after`). */
  isFresh(entry: CacheEntry): boolean;

  /** Which of them the policy would keep, if all were added now. Changes nothing. */
  admit(candidates: readonly CacheCandidate[]): Promise<readonly boolean[]>;

  /**
   * Adds a file, or replaces an entry: `path` is moved into the cache and is gone afterwards.
   *
   * @param blob What is in the file, already computed; the cache takes the caller's word for the digest.
   */
  addFile(key: CacheKey, path: string, blob: CacheBlob, validator: Validator): Promise<EntryLease>;

  /** Adds an entry made of blobs that are in the cache (leased by the caller), as an OCI image is. */
  addEntry(key: CacheKey, blobs: readonly CacheBlob[], validator: Validator): Promise<EntryLease>;

  /** A blob by its content, whatever it came for: a layer that another image brought. Verified as in {@link use}. */
  useBlob(sha256: string, options?: UseOptions): Promise<BlobLease | undefined>;

  /** Moves a file into the cache as a blob. Without an entry that has it, it stays for a week: long enough to go on. */
  addBlob(path: string, blob: CacheBlob): Promise<BlobLease>;

  /**
   * Applies the policy; what is leased stays. `isDryRun` only says what would go.
   *
   * @returns what went, in the order in which it was decided.
   */
  prune(options?: {readonly isDryRun?: boolean}): Promise<readonly Eviction[]>;

  /** Removes one entry, unless it is leased. */
  remove(key: CacheKey): Promise<boolean>;

  /** Hashes all entries. Damaged ones are removed. */
  verify(options?: VerifyCacheOptions): Promise<readonly CacheDamage[]>;

  /** What interrupted downloads have left here, to go on with. */
  remains(): Promise<Remains>;

  /** Where a download that is not complete yet is kept between runs. */
  readonly partialFolder: string;

  /**
   * Keeps other processes from working on the same source; they wait.
   *
   * @param work Gets a signal that aborts with that of the options, and when the lock is lost because the machine slept.
   */
  withSource<T>(key: CacheKey, work: (signal: AbortSignal) => Promise<T>, options?: LockOptions): Promise<T>;
}

export interface OpenCacheOptions {
  /** Default: `hypriotkit` in `XDG_CACHE_HOME` or `~/.cache`. */
  readonly folder?: string | undefined;
  /** Instead of `policy.yaml` in the folder, which is otherwise written when absent. */
  readonly policy?: CachePolicy | undefined;
  /** Only looked at: nothing is made, and a folder that is not there is an empty cache. */
  readonly isReadOnly?: boolean | undefined;
  /** The present; default: what the clock says. */
  readonly now?: (() => Date) | undefined;
}

/**
 * Opens a cache.
 *
 * @returns undefined when its policy says `enabled: false`.
 * @throws ConfigError `CONFIG_INVALID` when `policy.yaml` cannot be used, with line and column.
 * @throws PipelineError `CACHE_UNUSABLE` when the folder cannot be written to.
 */
export async function openCache(options: OpenCacheOptions = {}): Promise<DownloadCache | undefined> {
  const cache = await openCacheFolder(options);
  return cache.policy.isEnabled ? cache : undefined;
}

/** Opens a cache even when its policy keeps nothing: to see what is in it, and to prune it. */
export async function openCacheFolder(options: OpenCacheOptions = {}): Promise<DownloadCache> {
  const {isReadOnly = false, now = () => new Date()} = options;
  const folder = resolve(options.folder ?? defaultCacheFolder());
  try {
    if (!isReadOnly) {
      for (const name of Object.values(cacheFolders)) await mkdir(join(folder, name), {recursive: true});
    }
    const policy = options.policy ?? (await readPolicy(folder, {isReadOnly}));
    return new FolderCache({folder, policy, now});
  } catch (error) {
    const {code, message} = error as NodeJS.ErrnoException;
    if (code === undefined || error instanceof ConfigError) throw error;
    throw new PipelineError('CACHE_UNUSABLE', `the cache ${folder} cannot be used: ${message}`, {
      cause: error,
      hint: 'Name a folder that this user may write to: --cache-dir FOLDER.',
    });
  }
}

/** `hypriotkit` in `XDG_CACHE_HOME`, or in `~/.cache` (freedesktop.org, Base Directory Specification). */
export function defaultCacheFolder(): string {
  return join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'hypriotkit');
}
