import {join} from 'node:path';
import {listRepositories, removeRepository} from '../git/repositories.ts';
import {BlobFolder} from './blob-folder.ts';
import type {BlobLease, CacheBlob, CacheEntry, CacheKey, EntryLease, Validator} from './cache-entry.ts';
import {CacheLock, withLock, type LockOptions} from './cache-lock.ts';
import type {
  CacheCandidate,
  CacheDamage,
  DownloadCache,
  Eviction,
  UseOptions,
  VerifyCacheOptions,
} from './download-cache.ts';
import {EntryFolder, idOf, totalOf} from './entry-folder.ts';
import {LeaseFolder} from './lease-folder.ts';
import {measureRemains, remainsForMs, removeOldRemains, type Remains} from './partial-folder.ts';
import {checkAfterSeconds, planEvictions, type EvictionItem} from './plan-evictions.ts';
import type {CachePolicy} from './policy.ts';
import {isFull} from './record-file.ts';

/** The folders inside a cache. */
export const cacheFolders = {
  entries: 'entries',
  blobs: 'blobs',
  leases: 'leases',
  partial: 'partial',
  locks: 'locks',
} as const;

/** Where {@link GitCache} keeps its repositories, in the default cache. */
const gitFolder = 'git';

interface FolderCacheOptions {
  readonly folder: string;
  readonly policy: CachePolicy;
  readonly now: () => Date;
}

/** A cache in a folder. Records are small JSON files, so that it works on every file system. */
export class FolderCache implements DownloadCache {
  readonly folder: string;
  readonly policy: CachePolicy;
  readonly partialFolder: string;
  readonly #now: () => Date;
  readonly #lock: CacheLock;
  readonly #entries: EntryFolder;
  readonly #blobs: BlobFolder;
  readonly #leases: LeaseFolder;

  constructor({folder, policy, now}: FolderCacheOptions) {
    this.folder = folder;
    this.policy = policy;
    this.#now = now;
    this.partialFolder = join(folder, cacheFolders.partial);
    this.#lock = new CacheLock(join(folder, cacheFolders.locks, 'records'));
    this.#entries = new EntryFolder(join(folder, cacheFolders.entries));
    this.#blobs = new BlobFolder(join(folder, cacheFolders.blobs));
    this.#leases = new LeaseFolder(join(folder, cacheFolders.leases));
  }

  async list(): Promise<readonly CacheEntry[]> {
    return [...(await this.#entries.readAll()), ...(await this.#repositories()).map(({entry}) => entry)];
  }

  async find(key: CacheKey): Promise<CacheEntry | undefined> {
    const entry = await this.#entries.read(key);
    if (entry === undefined) return undefined;
    for (const {sha256, sizeBytes} of entry.blobs) {
      if ((await this.#blobs.sizeOf(sha256)) !== sizeBytes) return undefined;
    }
    return entry;
  }

  async use(key: CacheKey, options: UseOptions = {}): Promise<EntryLease | undefined> {
    const held = await this.#lock.hold(async () => {
      const entry = await this.#entries.read(key);
      return entry && {entry, lease: await this.#lease(entry)};
    });
    if (held === undefined) return undefined;
    const {entry, lease} = held;
    try {
      if (await this.#isGood(entry.blobs, options)) {
        await this.#noteUse(entry, options.checked);
        return lease;
      }
    } catch (error) {
      await lease.release();
      throw error;
    }
    await lease.release();
    return undefined;
  }

  async markChecked(key: CacheKey, validator: Validator): Promise<void> {
    await this.#lock.hold(async () => {
      const entry = await this.#entries.read(key);
      if (entry !== undefined) {
        await this.#note({...entry, validator, lastCheckedOn: this.#now().toISOString()});
      }
    });
  }

  isFresh(entry: CacheEntry): boolean {
    const ageMs = this.#now().getTime() - Date.parse(entry.lastCheckedOn);
    return ageMs >= 0 && ageMs < checkAfterSeconds(this.policy, entry) * 1000;
  }

  async admit(candidates: readonly CacheCandidate[]): Promise<readonly boolean[]> {
    const now = this.#now().toISOString();
    const added = candidates.map(({kind, source, sizeBytes}, index): EvictionItem => ({
      kind,
      source,
      sizeBytes,
      blobs: [{sha256: `candidate ${index}`, sizeBytes}],
      addedOn: now,
      lastUsedOn: now,
      isPinned: false,
    }));
    const replaced = new Set(candidates.map((key) => idOf(key)));
    const present = (await this.#items()).filter(({entry}) => !replaced.has(idOf(entry)));
    const planned = planEvictions(
      this.policy,
      [...present.map(({item}) => item), ...added],
      this.#now().getTime(),
    );
    const lost = new Set(planned.map(({item}) => item));
    return added.map((item) => !lost.has(item));
  }

  async addFile(key: CacheKey, path: string, blob: CacheBlob, validator: Validator): Promise<EntryLease> {
    return this.#lock.hold(async () => {
      await this.#blobs.add(path, blob, this.#now());
      return this.#add(key, [blob], validator);
    });
  }

  async addEntry(key: CacheKey, blobs: readonly CacheBlob[], validator: Validator): Promise<EntryLease> {
    return this.#lock.hold(() => this.#add(key, blobs, validator));
  }

  async useBlob(sha256: string, options: UseOptions = {}): Promise<BlobLease | undefined> {
    const release = await this.#lock.hold(async () => this.#leases.take([sha256]));
    try {
      const sizeBytes = await this.#blobs.sizeOf(sha256);
      if (sizeBytes !== undefined && (await this.#isGood([{sha256, sizeBytes}], options))) {
        return this.#blobLease({sha256, sizeBytes}, release);
      }
    } catch (error) {
      await release();
      throw error;
    }
    await release();
    return undefined;
  }

  async addBlob(path: string, blob: CacheBlob): Promise<BlobLease> {
    return this.#lock.hold(async () => {
      await this.#blobs.add(path, blob, this.#now());
      return this.#blobLease(blob, await this.#leases.take([blob.sha256]));
    });
  }

  async prune({isDryRun = false}: {readonly isDryRun?: boolean} = {}): Promise<readonly Eviction[]> {
    if (isDryRun) return (await this.#plan()).map(({entry, reason}) => ({entry, reason}));
    return this.#lock.hold(async () => {
      const evictions: Eviction[] = [];
      for (const {entry, reason, remove} of await this.#plan()) {
        if (await remove()) evictions.push({entry, reason});
      }
      await this.#tidy();
      return evictions;
    });
  }

  async remove(key: CacheKey): Promise<boolean> {
    return this.#lock.hold(async () => {
      const found = (await this.#items()).find(({entry}) => idOf(entry) === idOf(key));
      return found !== undefined && !found.item.isPinned && (await found.remove());
    });
  }

  async verify({signal, onEntry}: VerifyCacheOptions = {}): Promise<readonly CacheDamage[]> {
    const damages: CacheDamage[] = [];
    for (const entry of await this.#entries.readAll()) {
      onEntry?.(entry);
      const release = await this.#leases.take(entry.blobs.map(({sha256}) => sha256));
      try {
        for (const blob of entry.blobs) {
          const state = await this.#blobs.check(blob, {mustHash: true, now: this.#now(), signal});
          if (state === 'good') continue;
          damages.push({
            entry,
            problem: state === 'absent' ? 'its content is gone' : 'its content is not what was stored',
          });
          await this.#drop(blob.sha256);
          break;
        }
      } finally {
        await release();
      }
    }
    return damages;
  }

  remains(): Promise<Remains> {
    return measureRemains(this.partialFolder);
  }

  withSource<T>(key: CacheKey, work: (signal: AbortSignal) => Promise<T>, options?: LockOptions): Promise<T> {
    return withLock(join(this.folder, cacheFolders.locks, idOf(key)), work, options);
  }

  /** Hashes where that is due; what is damaged is removed, with all entries that need it. */
  async #isGood(blobs: readonly CacheBlob[], {mustHash = false, signal}: UseOptions): Promise<boolean> {
    for (const blob of blobs) {
      const state = await this.#blobs.check(blob, {mustHash, now: this.#now(), signal});
      if (state === 'good') continue;
      await this.#drop(blob.sha256);
      return false;
    }
    return true;
  }

  /** Removes a blob that is damaged or gone, and the entries that cannot be used without it. */
  async #drop(sha256: string): Promise<void> {
    await this.#lock.hold(async () => {
      await this.#blobs.remove(sha256);
      for (const entry of await this.#entries.readAll()) {
        if (entry.blobs.some((blob) => blob.sha256 === sha256)) await this.#entries.remove(entry);
      }
    });
  }

  async #noteUse(key: CacheKey, checked: Validator | undefined): Promise<void> {
    await this.#lock.hold(async () => {
      const entry = await this.#entries.read(key);
      if (entry === undefined) return;
      const now = this.#now().toISOString();
      const news = checked && {validator: checked, lastCheckedOn: now};
      await this.#note({...entry, ...news, lastUsedOn: now, uses: entry.uses + 1});
    });
  }

  /** A note about an entry is lost on a full disk, which does no harm. */
  async #note(entry: CacheEntry): Promise<void> {
    await this.#entries.write(entry).catch((error: unknown) => {
      if (!isFull(error)) throw error;
    });
  }

  async #add(key: CacheKey, blobs: readonly CacheBlob[], validator: Validator): Promise<EntryLease> {
    const now = this.#now().toISOString();
    const previous = await this.#entries.read(key);
    const entry: CacheEntry = {
      kind: key.kind,
      source: key.source,
      blobs: blobs.map(({sha256, sizeBytes}) => ({sha256, sizeBytes})),
      sizeBytes: totalOf(blobs),
      validator,
      addedOn: now,
      lastUsedOn: now,
      lastCheckedOn: now,
      uses: 1,
    };
    const lease = await this.#lease(entry);
    try {
      // On a full disk the file is there all the same, for who has the lease.
      await this.#note(entry);
    } catch (error) {
      await lease.release();
      throw error;
    }
    await this.#removeUnneeded(previous?.blobs ?? []);
    return lease;
  }

  async #lease(entry: CacheEntry): Promise<EntryLease> {
    const release = await this.#leases.take(entry.blobs.map(({sha256}) => sha256));
    const paths = entry.blobs.map(({sha256}) => this.#blobs.pathOf(sha256));
    return {entry, paths, release, [Symbol.asyncDispose]: release};
  }

  #blobLease(blob: CacheBlob, release: () => Promise<void>): BlobLease {
    return {blob, path: this.#blobs.pathOf(blob.sha256), release, [Symbol.asyncDispose]: release};
  }

  /** Everything that the policy speaks about, with how to remove it. */
  async #items() {
    const leased = await this.#leases.leased(this.#now());
    const entries = (await this.#entries.readAll()).map((entry) => ({
      entry,
      item: {...entry, isPinned: entry.blobs.some(({sha256}) => leased.has(sha256))},
      remove: async () => {
        await this.#entries.remove(entry);
        await this.#removeUnneeded(entry.blobs);
        return true;
      },
    }));
    return [...entries, ...(await this.#repositories())];
  }

  async #repositories() {
    const repositories = await listRepositories(join(this.folder, gitFolder), this.#now());
    return repositories.map((repository) => {
      const {address, path, sizeBytes, addedOn, lastUsedOn, isInUse} = repository;
      const entry: CacheEntry = {
        kind: 'git',
        source: address,
        // A folder of git's own; it only has to be another one for each.
        blobs: [{sha256: path, sizeBytes}],
        sizeBytes,
        validator: {},
        addedOn: addedOn.toISOString(),
        lastUsedOn: lastUsedOn.toISOString(),
        lastCheckedOn: lastUsedOn.toISOString(),
        uses: 1,
      };
      return {entry, item: {...entry, isPinned: isInUse}, remove: () => removeRepository(repository)};
    });
  }

  async #plan() {
    const items = await this.#items();
    const byItem = new Map(items.map((one) => [one.item as EvictionItem, one]));
    const planned = planEvictions<EvictionItem>(this.policy, [...byItem.keys()], this.#now().getTime());
    return planned.flatMap(({item, reason}) => {
      const found = byItem.get(item);
      return found === undefined ? [] : [{...found, reason}];
    });
  }

  /** Removes blobs that no entry has and nobody uses. */
  async #removeUnneeded(blobs: readonly CacheBlob[]): Promise<void> {
    if (blobs.length === 0) return;
    const needed = await this.#neededBlobs();
    for (const {sha256} of blobs) if (!needed.has(sha256)) await this.#blobs.remove(sha256);
  }

  async #neededBlobs(): Promise<ReadonlySet<string>> {
    const entries = await this.#entries.readAll();
    const leased = await this.#leases.leased(this.#now());
    return new Set([...leased, ...entries.flatMap(({blobs}) => blobs.map(({sha256}) => sha256))]);
  }

  /** Removes what runs that were interrupted have left, when it is too old to go on with. */
  async #tidy(): Promise<void> {
    const now = this.#now();
    const needed = await this.#neededBlobs();
    for (const {sha256, addedOn} of await this.#blobs.list()) {
      const isOld = now.getTime() - Date.parse(addedOn) > remainsForMs;
      if (isOld && !needed.has(sha256)) await this.#blobs.remove(sha256);
    }
    await this.#leases.removeStale(now);
    await this.#blobs.removeRemains();
    await this.#entries.removeUnreadable();
    await removeOldRemains(this.partialFolder, now);
  }
}
