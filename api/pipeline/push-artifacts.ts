import {readLock} from '../../configs/lock-file.ts';
import type {EntryReader} from '../../volumes/entry-reader.ts';
import {ImageCache} from '../../volumes/image-cache.ts';
import {mediaType} from '../../volumes/registry-entry.ts';
import {RegistryStore, type Sent} from '../../volumes/registry-store.ts';
import type {StoreEntry} from '../../volumes/store-entry.ts';
import {PipelineError} from '../errors.ts';
import type {PushedArtifacts} from '../options.ts';
import {ArtifactRepository} from '../registry/artifact-repository.ts';
import {loadCacheSigningKey, signatureTag, signEntry, type CacheKey} from './cache-signature.ts';
import {isDelivered, isRequested} from './files-needed.ts';
import {contentDigest} from './fingerprint.ts';
import {Holdings} from './holdings.ts';
import type {Run} from './run.ts';
import {baseImageEntry, KeptImageReader} from './shared-base-image.ts';

/** What of a run is needed to send what it has made. */
export type Sender = Pick<
  Run,
  'selection' | 'cacheChoice' | 'cache' | 'store' | 'session' | 'lockFile' | 'emit' | 'signal'
>;

/** The finished entries, by step. */
type Entries = ReadonlyMap<string, StoreEntry>;

/**
 * Sends what has been built to the registries that were named. What a registry has is not sent again. A registry that
 * refuses or cannot be reached is reported: the build is done all the same.
 *
 * @throws PipelineError `KEY_UNUSABLE`
 */
export async function pushArtifacts(run: Sender, entries: Entries): Promise<PushedArtifacts[]> {
  const {cacheChoice, emit, signal} = run;
  const key = cacheChoice.sign === undefined ? undefined : await loadCacheSigningKey(cacheChoice.sign);
  const pushed: PushedArtifacts[] = [];
  for (const target of cacheChoice.to) {
    const {reference} = target;
    const sibling = cacheChoice.from.find(
      ({registry, repository}) => registry === reference.registry && repository !== reference.repository,
    );
    await using repository = new ArtifactRepository(reference, {
      signal,
      mountFrom: sibling?.repository,
      insecureRegistries: cacheChoice.insecure,
    });
    const push = new Push(run, new RegistryStore(repository), key);
    try {
      for (const step of run.selection.steps) {
        const entry = entries.get(step.name);
        if (entry === undefined) continue;
        const wanted = entry.files.filter(
          ({name}) => target.mode === 'max' || (isRequested(run.selection, step) && isDelivered(step, name)),
        );
        await push.entry(entry, new Set(wanted.map(({name}) => name)));
      }
      if (target.mode === 'max') await push.baseImage();
      emit({type: 'notice', level: 'info', message: describe(push, repository.label)});
      pushed.push({to: repository.label, ...push.sent, entries: push.count});
    } catch (error) {
      if (!(error instanceof PipelineError) || error.code !== 'REGISTRY_FAILED') throw error;
      emit({
        type: 'notice',
        level: 'warning',
        message: `not everything was sent to ${repository.label}: ${error.message}`,
        ...(error.hint !== undefined && {hint: error.hint}),
      });
      pushed.push({to: repository.label, ...push.sent, entries: push.count, failure: error.message});
    }
  }
  return pushed;
}

const mebibyte = 1024 ** 2;

function describe({sent, count}: Push, label: string): string {
  const {sentBytes, totalBytes} = sent;
  const size = `${(sentBytes / mebibyte).toFixed(1)} of ${(totalBytes / mebibyte).toFixed(1)} MiB`;
  return count === 0 ? `${label} has everything` : `sent ${size} to ${label}, for ${count} steps`;
}

/** What goes to one registry. */
class Push {
  readonly #run: Sender;
  readonly #store: RegistryStore;
  readonly #key: CacheKey | undefined;
  readonly #holdings: Holdings;
  #sent: Sent = {sentBytes: 0, totalBytes: 0};
  count = 0;

  constructor(run: Sender, store: RegistryStore, key: CacheKey | undefined) {
    this.#run = run;
    this.#store = store;
    this.#key = key;
    this.#holdings = new Holdings(run);
  }

  get sent(): Sent {
    return this.#sent;
  }

  async entry(entry: StoreEntry, names: ReadonlySet<string>): Promise<void> {
    const {cache, emit} = this.#run;
    if (!(await this.#holdings.has(entry))) return;
    const there = await this.#store.find(entry.fingerprint);
    const isBad = cache.isRejected(this.#store.label, entry.fingerprint);
    if (there !== undefined && 'entry' in there && !isBad) {
      if (contentDigest(there.entry) !== contentDigest(entry)) {
        emit({
          type: 'notice',
          level: 'warning',
          message: `${this.#store.label} has other files of ${entry.step}, made from the same inputs; they stay`,
          hint: 'The step is not reproducible, or somebody has put it there: hypriotkit verify tells which.',
        });
        return;
      }
      if ([...names].every((name) => there.held.has(name))) {
        await this.#sign(entry);
        return;
      }
    }
    await this.#send(entry, this.#holdings, names);
    await this.#sign(entry);
  }

  /** Sends the base image that the lock names, so that an empty engine need not build another one. */
  async baseImage(): Promise<void> {
    const {session, lockFile} = this.#run;
    // As it is by now: the first build of all has just written it.
    const lock = lockFile === undefined ? undefined : await readLock(lockFile);
    const image = lock?.base_image.architectures[session.engine.architecture]?.image;
    if (image === undefined || !session.hasBaseImage) return;
    const entry = baseImageEntry(image);
    const there = await this.#store.find(entry.fingerprint);
    if (there !== undefined && 'entry' in there && contentDigest(there.entry) === contentDigest(entry))
      return;
    const images = new ImageCache(session.packageHost);
    if ((await images.find(image.content))?.sha256 !== image.sha256) return;
    await this.#send(entry, new KeptImageReader(images), new Set(entry.files.map(({name}) => name)));
  }

  async #send(entry: StoreEntry, from: EntryReader, names: ReadonlySet<string>): Promise<void> {
    const {sentBytes, totalBytes} = await this.#store.push(entry, from, names);
    this.#sent = {
      sentBytes: this.#sent.sentBytes + sentBytes,
      totalBytes: this.#sent.totalBytes + totalBytes,
    };
    this.count++;
  }

  async #sign(entry: StoreEntry): Promise<void> {
    if (this.#key === undefined) return;
    const tag = signatureTag(entry, this.#key);
    if ((await this.#store.readNote(tag, mediaType.signature)) !== undefined) return;
    await this.#store.writeNote(tag, mediaType.signature, signEntry(entry, this.#key));
  }
}
