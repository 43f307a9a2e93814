import {mkdir, rename, rm, stat} from 'node:fs/promises';
import {dirname, join} from 'node:path';
import {fileURLToPath} from 'node:url';
import type {CacheEntry, CacheKey, EntryLease, Validator} from '../cache/cache-entry.ts';
import type {DownloadCache} from '../cache/download-cache.ts';
import {idOf} from '../cache/entry-folder.ts';
import {readPieces} from '../cache/hash-file.ts';
import {placeFile} from '../cache/place-file.ts';
import {isFull} from '../cache/record-file.ts';
import {createDigester} from './checksum.ts';
import type {DownloadListener} from './download-event.ts';
import type {Checksum, Downloaded, DownloadRequest} from './download-request.ts';
import {StorageError, type AttemptResult} from './fetch-attempt.ts';
import {FetchError, fetchFile} from './fetch-file.ts';
import type {Meter} from './meter.ts';
import {PartialFile} from './partial-file.ts';
import type {Patience} from './patience.ts';
import {resolveChecksum, resolveSource, type Source} from './resolve-source.ts';
import {withoutSecrets, type Web} from './web.ts';

/** What all downloads of a run share. */
export interface DownloaderOptions {
  readonly web: Web;
  readonly cache: DownloadCache | undefined;
  readonly scratch: string;
  readonly patience: Patience;
  readonly meter: Meter;
  readonly emit: DownloadListener;
  readonly signal: AbortSignal;
}

/** A file that is complete, wherever it lies. */
interface Held {
  readonly path: string;
  readonly sizeBytes: number;
  readonly sha256: string | undefined;
  readonly from: Downloaded['from'];
  readonly release: () => Promise<void>;
  /** Whether it is ours to move. */
  readonly isPrivate: boolean;
}

/** A file that was got, and what to do with it when the run fails because of another one. */
export interface Obtained {
  readonly file: Downloaded;
  /** Lets go of it in such a way that the next run need not fetch it again. */
  keep(): Promise<void>;
}

type Fetched = Extract<AttemptResult, {type: 'fetched'}>;

/** Gets one file after the other: from this machine, from the cache, or from the network. */
export class Downloader {
  readonly #options: DownloaderOptions;

  constructor(options: DownloaderOptions) {
    this.#options = options;
  }

  /**
   * @param isAdmitted Whether the policy keeps it.
   * @throws FetchError, StorageError
   */
  async obtain(request: DownloadRequest, isAdmitted: boolean): Promise<Obtained> {
    const startedMs = performance.now();
    const {id, destination} = request;
    let receivedBytes = 0;
    const held = await this.#hold(request, isAdmitted, (bytes) => {
      receivedBytes += bytes;
      this.#options.meter.received(id, bytes);
    });
    const {sizeBytes, sha256, from, release} = held;
    let path = held.path;
    if (destination !== undefined) {
      try {
        await place(held, destination);
      } catch (error) {
        throw new StorageError(error);
      } finally {
        await release();
      }
      path = destination;
    }
    this.#options.meter.reached(id, sizeBytes, sizeBytes);
    this.#options.emit({
      type: 'download-finished',
      id,
      sizeBytes,
      from,
      durationMs: performance.now() - startedMs,
    });
    const file: Downloaded = {id, path, sizeBytes, sha256, from, receivedBytes, release};
    return {file, keep: () => keepForLater(held, destination)};
  }

  #hold(request: DownloadRequest, isAdmitted: boolean, onReceived: (bytes: number) => void): Promise<Held> {
    const {signal, cache} = this.#options;
    if (request.url.startsWith('file:')) return this.#local(request);
    const key: CacheKey = {kind: 'file', source: request.url};
    if (cache === undefined || !isAdmitted) return this.#uncached(request, key, onReceived, signal);
    return cache.withSource(
      key,
      (whileLocked) => this.#cached(cache, request, key, onReceived, whileLocked),
      {
        signal,
        onWait: () => {
          const message = `waiting for another download of ${withoutSecrets(request.url)}`;
          this.#options.emit({type: 'notice', level: 'info', message});
        },
      },
    );
  }

  async #local({url, checksum, sizeBytes, mostBytes}: DownloadRequest): Promise<Held> {
    const path = fileURLToPath(url);
    const stats = await stat(path).catch(() => undefined);
    if (stats?.isFile() !== true) throw new FetchError(`there is no file ${path}`, {isRefused: true});
    if (sizeBytes !== undefined && stats.size !== sizeBytes) {
      throw new FetchError(`${path} has ${stats.size} bytes, but ${sizeBytes} are declared`, {
        isRefused: true,
      });
    }
    if (mostBytes !== undefined && stats.size > mostBytes) {
      throw new FetchError(`${path} has ${stats.size} bytes, more than the ${mostBytes} that are allowed`, {
        isRefused: true,
      });
    }
    let sha256: string | undefined;
    if (checksum !== undefined) {
      const {web, signal} = this.#options;
      const wanted = await resolveChecksum(checksum, web, signal);
      const found = await digestFile(path, wanted.algorithm, signal);
      if (found !== wanted.value) {
        throw new FetchError(
          `the ${wanted.algorithm} of ${path} is ${found}, and should be ${wanted.value}`,
          {isRefused: true},
        );
      }
      if (wanted.algorithm === 'sha-256') sha256 = found;
    }
    const release = () => Promise.resolve();
    return {path, sizeBytes: stats.size, sha256, from: 'local', release, isPrivate: false};
  }

  async #uncached(
    request: DownloadRequest,
    key: CacheKey,
    onReceived: (bytes: number) => void,
    signal: AbortSignal,
  ): Promise<Held> {
    const {web, scratch} = this.#options;
    const checksum = request.checksum && (await resolveChecksum(request.checksum, web, signal));
    const source = await resolveSource(request, checksum, web, signal);
    // Named by the id, too: two requests for one address must not write to one file.
    const partial = new PartialFile(join(scratch, idOf({...key, source: `${request.id}\n${key.source}`})));
    const fetched = await this.#fetch(request, source, partial, {known: undefined, onReceived, signal});
    if (fetched.type === 'unchanged') throw new Error('nothing was known that could be unchanged');
    return this.#inScratch(partial, fetched);
  }

  #inScratch(partial: PartialFile, {sizeBytes, digests}: Fetched): Held {
    return {
      path: partial.path,
      sizeBytes,
      sha256: digests['sha-256'],
      from: 'network',
      release: () => partial.remove(),
      isPrivate: true,
    };
  }

  async #cached(
    cache: DownloadCache,
    request: DownloadRequest,
    key: CacheKey,
    onReceived: (bytes: number) => void,
    signal: AbortSignal,
  ): Promise<Held> {
    const {web, emit, scratch} = this.#options;
    const checksum = request.checksum && (await resolveChecksum(request.checksum, web, signal));
    const found = await cache.find(key);
    const isWanted = found !== undefined && [undefined, found.sizeBytes].includes(request.sizeBytes);
    // What the checksum names needs no server to say that it still is the same.
    if (isWanted && checksum !== undefined) {
      const lease = await this.#useIfMatching(cache, found, [checksum], signal);
      if (lease !== undefined) return fromCache(lease);
    }
    let known = isWanted && checksum === undefined ? found : undefined;
    if (known !== undefined && cache.isFresh(known)) {
      const lease = await this.#use(cache, known, signal);
      if (lease !== undefined) return fromCache(lease);
      known = undefined;
    }
    try {
      const source = await resolveSource(request, checksum, web, signal);
      if (known !== undefined && source.checksums.length > 0) {
        const lease = await this.#useIfMatching(cache, known, source.checksums, signal);
        if (lease !== undefined) {
          await cache.markChecked(key, known.validator);
          return fromCache(lease);
        }
        known = undefined;
      }
      const partial = new PartialFile(join(cache.partialFolder, idOf(key)));
      for (;;) {
        const fetched = await this.#fetch(request, source, partial, {known, onReceived, signal});
        if (fetched.type === 'fetched') {
          const blob = {sha256: fetched.digests['sha-256'], sizeBytes: fetched.sizeBytes};
          const lease = await cache.addFile(key, partial.path, blob, fetched.validator);
          await partial.remove();
          return {...fromCache(lease), from: 'network'};
        }
        const lease = known && (await this.#use(cache, known, signal, fetched.validator));
        if (lease !== undefined) return fromCache(lease);
        // It was damaged: fetched whatever the server says of its version.
        known = undefined;
      }
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof FetchError && known !== undefined) {
        const lease = await this.#use(cache, known, signal);
        if (lease !== undefined) {
          const message = `${error.message}: the copy of ${known.lastCheckedOn.slice(0, 10)} in the cache is used`;
          emit({type: 'notice', level: 'warning', message});
          return fromCache(lease);
        }
      }
      if (error instanceof StorageError && isFull(error) && (await isOtherDisk(cache.folder, scratch))) {
        const message = `there is no room in the cache ${cache.folder} for ${withoutSecrets(request.url)}: it is not kept`;
        emit({type: 'notice', level: 'warning', message});
        await new PartialFile(join(cache.partialFolder, idOf(key))).remove();
        return this.#uncached(request, key, onReceived, signal);
      }
      throw error;
    }
  }

  /** Uses an entry; says so when it turns out to be damaged. */
  async #use(
    cache: DownloadCache,
    entry: CacheEntry,
    signal: AbortSignal,
    checked?: Validator,
  ): Promise<EntryLease | undefined> {
    const lease = await cache.use(entry, {signal, checked});
    if (lease === undefined) this.#sayDamaged(entry);
    return lease;
  }

  /** Uses an entry if its content, which is read for that, has these digests. */
  async #useIfMatching(
    cache: DownloadCache,
    entry: CacheEntry,
    checksums: readonly Checksum[],
    signal: AbortSignal,
  ): Promise<EntryLease | undefined> {
    const [blob] = entry.blobs;
    for (const {algorithm, value} of checksums) {
      if (algorithm === 'sha-256' && value !== blob?.sha256) return undefined;
    }
    const lease = await cache.use(entry, {mustHash: true, signal});
    if (lease === undefined) {
      this.#sayDamaged(entry);
      return undefined;
    }
    const [path = ''] = lease.paths;
    for (const {algorithm, value} of checksums) {
      if (algorithm === 'sha-256' || (await digestFile(path, algorithm, signal)) === value) continue;
      await lease.release();
      return undefined;
    }
    return lease;
  }

  #sayDamaged({source}: CacheEntry): void {
    const message = `the copy of ${withoutSecrets(source)} in the cache is damaged: it is downloaded again`;
    this.#options.emit({type: 'notice', level: 'warning', message});
  }

  async #fetch(
    request: DownloadRequest,
    source: Source,
    partial: PartialFile,
    {
      known,
      onReceived,
      signal,
    }: {known: CacheEntry | undefined; onReceived: (bytes: number) => void; signal: AbortSignal},
  ): Promise<AttemptResult> {
    const {web, patience, meter, emit} = this.#options;
    const {id, url, mostBytes} = request;
    let isStarted = false;
    const result = await fetchFile({
      ...source,
      web,
      url,
      partial,
      mostBytes,
      known,
      signal,
      // A server that cannot be asked about what is here already is not waited for.
      patience: known === undefined ? patience : {...patience, fruitlessRounds: 2},
      onReceived,
      onProgress: (doneBytes, totalBytes) => {
        if (!isStarted) {
          isStarted = true;
          emit({
            type: 'download-started',
            id,
            url: withoutSecrets(url),
            resumedBytes: doneBytes,
            ...(totalBytes !== undefined && {totalBytes}),
          });
        }
        meter.reached(id, doneBytes, totalBytes);
      },
      onRetry: (retry) => emit({type: 'download-retried', id, ...retry}),
    });
    if (
      result.type === 'fetched' &&
      !result.isEndKnown &&
      source.checksums.length === 0 &&
      source.sizeBytes === undefined
    ) {
      const message = `the server does not say how long ${withoutSecrets(url)} is, and no size or checksum is declared: whether it is complete cannot be told`;
      emit({type: 'notice', level: 'warning', message});
    }
    return result;
  }
}

function fromCache(lease: EntryLease): Held {
  const {entry, paths} = lease;
  const release = () => lease.release();
  return {
    path: paths[0] ?? '',
    sizeBytes: entry.sizeBytes,
    sha256: entry.blobs[0]?.sha256,
    from: 'cache',
    release,
    isPrivate: false,
  };
}

/** In the cache it stays, and in the scratch folder; a destination must be free for the next run. */
async function keepForLater(
  {release, isPrivate}: Pick<Held, 'release' | 'isPrivate'>,
  destination: string | undefined,
): Promise<void> {
  if (destination !== undefined) await rm(destination, {force: true});
  else if (!isPrivate) await release();
}

async function place({path, isPrivate}: Held, destination: string): Promise<void> {
  await mkdir(dirname(destination), {recursive: true});
  const isFree = await stat(destination).then(
    () => false,
    () => true,
  );
  if (isPrivate && isFree) {
    try {
      await rename(path, destination);
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EXDEV') throw error;
    }
  }
  await placeFile(path, destination);
}

async function digestFile(
  path: string,
  algorithm: Checksum['algorithm'],
  signal: AbortSignal,
): Promise<string> {
  const digester = createDigester(algorithm);
  for await (const piece of readPieces(path, signal)) digester.update(piece);
  return digester.digest('hex');
}

async function isOtherDisk(folder: string, scratch: string): Promise<boolean> {
  const [one, other] = await Promise.all([stat(folder), stat(scratch)]);
  return one.dev !== other.dev;
}
