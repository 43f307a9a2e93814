import type {ArtifactStore} from '../../volumes/artifact-store.ts';
import type {EntryReader, KnownFile} from '../../volumes/entry-reader.ts';
import type {StoreEntry} from '../../volumes/store-entry.ts';
import type {TeamCache} from './team-cache.ts';

/** Reads entries where they lie: in the volume, else in a registry. */
export class Holdings implements EntryReader {
  readonly #store: ArtifactStore;
  readonly #cache: TeamCache;

  constructor({store, cache}: {readonly store: ArtifactStore; readonly cache: TeamCache}) {
    this.#store = store;
    this.#cache = cache;
  }

  /** Whether there is anything to read: what a lock says of a step is an entry without files. */
  async has(entry: StoreEntry): Promise<boolean> {
    return this.#cache.holds(entry) || (await this.#store.find(entry.fingerprint)) !== undefined;
  }

  async readFile(
    entry: StoreEntry,
    name: string,
    onChunk: (chunk: Buffer) => Promise<void> | void,
  ): Promise<void> {
    await (await this.#place(entry)).readFile(entry, name, onChunk);
  }

  async isNear(entry: StoreEntry, name: string): Promise<boolean> {
    return (await (await this.#place(entry)).isNear?.(entry, name)) ?? false;
  }

  async findKnown(entry: StoreEntry, name: string): Promise<KnownFile | undefined> {
    return (await this.#place(entry)).findKnown?.(entry, name);
  }

  async readText(entry: StoreEntry, name: string): Promise<string> {
    return (await this.#place(entry)).readText(entry, name);
  }

  async #place(entry: StoreEntry): Promise<EntryReader> {
    if (!this.#cache.holds(entry)) return this.#store;
    return (await this.#store.find(entry.fingerprint)) === undefined ? this.#cache : this.#store;
  }
}
