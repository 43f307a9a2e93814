import type {EntryReader} from '../../volumes/entry-reader.ts';
import {mediaType} from '../../volumes/registry-entry.ts';
import {MissingPartError, RegistryStore, type FoundEntry} from '../../volumes/registry-store.ts';
import type {StoreEntry} from '../../volumes/store-entry.ts';
import {PipelineError} from '../errors.ts';
import type {Notice} from '../events/event.ts';
import {ArtifactRepository} from '../registry/artifact-repository.ts';
import type {ImageReference} from '../registry/reference.ts';
import type {CacheChoice} from './cache-options.ts';
import {isSignature, loadTrustedKey, signatureTag, type CacheKey} from './cache-signature.ts';
import {DamagedArtifact} from './damaged-artifact.ts';
import {fingerprint, FingerprintInputs} from './fingerprint.ts';

/** An entry that a registry has. */
export interface CachedEntry extends FoundEntry {
  /** How the user calls the registry. */
  readonly from: string;
  readonly reader: EntryReader;
}

/** Which of its files an entry must have to be of use. */
export type Needed = (found: FoundEntry) => boolean;

type Emit = (notice: Notice) => void;

/**
 * The registries that a run takes finished steps from. A registry that cannot be reached, and an entry that is not what
 * it should be, are reported and then as good as absent: a build never fails because of its cache.
 */
export class TeamCache implements EntryReader, AsyncDisposable {
  readonly #repositories: ArtifactRepository[] = [];
  readonly #stores: readonly RegistryStore[];
  readonly #trusted: readonly CacheKey[] | undefined;
  readonly #emit: Emit;
  readonly #down = new Set<RegistryStore>();
  readonly #searches = new Map<string, Promise<CachedEntry | undefined>>();
  /** Where entries that were found lie. */
  readonly #places = new Map<string, RegistryStore>();
  readonly #rejected = new Set<string>();

  private constructor(
    from: readonly ImageReference[],
    insecureRegistries: readonly string[],
    trusted: readonly CacheKey[] | undefined,
    emit: Emit,
    signal: AbortSignal | undefined,
  ) {
    this.#trusted = trusted;
    this.#emit = emit;
    this.#stores = from.map((reference) => {
      const repository = new ArtifactRepository(reference, {insecureRegistries, signal});
      this.#repositories.push(repository);
      return new RegistryStore(repository);
    });
  }

  /** Of a run that shares nothing. */
  static none(): TeamCache {
    return new TeamCache([], [], undefined, () => undefined, undefined);
  }

  /** @throws PipelineError `KEY_UNUSABLE` */
  static async open(
    {from, insecure, trust}: CacheChoice,
    emit: Emit,
    signal?: AbortSignal,
  ): Promise<TeamCache> {
    const trusted = trust.length === 0 ? undefined : await Promise.all(trust.map(loadTrustedKey));
    return new TeamCache(from, insecure, trusted, emit, signal);
  }

  /** Whether there is any registry to ask. */
  get isEmpty(): boolean {
    return this.#stores.length === 0;
  }

  /** The first registry's entry that has what is needed. */
  async find(wanted: string, needs: Needed = () => true): Promise<CachedEntry | undefined> {
    for (const store of this.#stores) {
      const found = await this.#search(store, wanted);
      if (found === undefined || !needs(found)) continue;
      this.#places.set(wanted, store);
      return found;
    }
    return undefined;
  }

  /** Looks for an entry that was not there before: it has just been made. */
  async findNew(wanted: string): Promise<CachedEntry | undefined> {
    for (const {label} of this.#stores) {
      this.#searches.delete(`${label} ${wanted}`);
      this.#rejected.delete(`${label} ${wanted}`);
    }
    // A registry that was away may be back.
    this.#down.clear();
    return this.find(wanted);
  }

  /** Uses no entry of that fingerprint any more: its content turned out to be something else. */
  reject(entry: StoreEntry): void {
    const place = this.#places.get(entry.fingerprint);
    if (place === undefined) return;
    this.#places.delete(entry.fingerprint);
    this.#rejected.add(`${place.label} ${entry.fingerprint}`);
    this.#searches.delete(`${place.label} ${entry.fingerprint}`);
    this.#warn(`${entry.step} in ${place.label} is damaged; it is not used`, removalHint(place.label));
  }

  /**
   * Finds the file that an image with tools can be loaded from.
   *
   * @param sha256 What its content must be.
   */
  async findFile(wanted: string, name: string, sha256: string): Promise<StoreEntry | undefined> {
    for (const store of this.#stores) {
      if (this.#down.has(store)) continue;
      const found = await store.find(wanted).catch((error: unknown) => {
        if (!(error instanceof PipelineError)) throw error;
        return undefined;
      });
      if (found === undefined || 'problem' in found || !found.held.has(name)) continue;
      if (found.entry.files.find((file) => file.name === name)?.sha256 !== sha256) continue;
      this.#places.set(wanted, store);
      return found.entry;
    }
    return undefined;
  }

  /** Whether an entry was found, and rejected, in a registry. */
  isRejected(label: string, wanted: string): boolean {
    return this.#rejected.has(`${label} ${wanted}`);
  }

  /** By fingerprint of what was found: how the user calls the registry that has it. */
  get origins(): ReadonlyMap<string, string> {
    return new Map([...this.#places].map(([found, store]) => [found, store.label]));
  }

  /** Whether the files of an entry are read from here. */
  holds({fingerprint: wanted}: StoreEntry): boolean {
    return this.#places.has(wanted);
  }

  async readFile(
    entry: StoreEntry,
    name: string,
    onChunk: (chunk: Buffer) => Promise<void> | void,
  ): Promise<void> {
    await this.#reading(entry, (store) => store.readFile(entry, name, onChunk));
  }

  async readText(entry: StoreEntry, name: string): Promise<string> {
    return this.#reading(entry, (store) => store.readText(entry, name));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#repositories.map((repository) => repository[Symbol.asyncDispose]()));
  }

  async #reading<T>(entry: StoreEntry, read: (store: RegistryStore) => Promise<T>): Promise<T> {
    const store = this.#places.get(entry.fingerprint);
    if (store === undefined) throw new Error(`${entry.step} lies in no registry`);
    try {
      return await read(store);
    } catch (error) {
      const isLost =
        error instanceof MissingPartError ||
        (error instanceof PipelineError && error.code === 'REGISTRY_FAILED');
      if (!isLost) throw error;
      throw new DamagedArtifact(entry, `${entry.step} cannot be read: ${error.message}`, error);
    }
  }

  #search(store: RegistryStore, wanted: string): Promise<CachedEntry | undefined> {
    const key = `${store.label} ${wanted}`;
    if (this.#rejected.has(key)) return Promise.resolve(undefined);
    const known = this.#searches.get(key) ?? this.#ask(store, wanted);
    this.#searches.set(key, known);
    return known;
  }

  async #ask(store: RegistryStore, wanted: string): Promise<CachedEntry | undefined> {
    if (this.#down.has(store)) return undefined;
    try {
      const found = await store.find(wanted);
      if (found === undefined) return undefined;
      const problem = 'problem' in found ? found.problem : await this.#problemOf(found.entry, store);
      if (problem === undefined) return {...(found as FoundEntry), from: store.label, reader: store};
      this.#rejected.add(`${store.label} ${wanted}`);
      this.#warn(
        `the entry ${wanted.slice(0, 12)} in ${store.label} is not used: ${problem}`,
        removalHint(store.label),
      );
      return undefined;
    } catch (error) {
      if (!(error instanceof PipelineError)) throw error;
      if (!this.#down.has(store)) this.#warn(`${error.message}; the build goes on without it`, error.hint);
      this.#down.add(store);
      return undefined;
    }
  }

  async #problemOf(entry: StoreEntry, store: RegistryStore): Promise<string | undefined> {
    const inputs = FingerprintInputs.safeParse(entry.inputs);
    if (
      !inputs.success ||
      fingerprint(entry.inputs as FingerprintInputs) !== entry.fingerprint ||
      inputs.data.step !== entry.step
    ) {
      return 'it was made from something else than its tag says';
    }
    if (this.#trusted === undefined) return undefined;
    for (const key of this.#trusted) {
      const signature = await store.readNote(signatureTag(entry, key), mediaType.signature);
      if (signature !== undefined && isSignature(signature, entry, key)) return undefined;
    }
    return `${entry.step} is not signed by any of the trusted keys`;
  }

  #warn(message: string, hint?: string): void {
    this.#emit({type: 'notice', level: 'warning', message, ...(hint !== undefined && {hint})});
  }
}

function removalHint(label: string): string {
  return `Who may write to ${label} can cause this. hypriotkit clean --registry ${label} removes entries.`;
}
