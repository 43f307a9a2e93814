import {createHash} from 'node:crypto';
import {ContentCutter, type CutPart} from './content-cutter.ts';
import type {EntryReader} from './entry-reader.ts';
import {
  annotation,
  EntryManifest,
  mediaType,
  RegistryEntry,
  type Descriptor,
  type FilePart,
  type RegistryFile,
} from './registry-entry.ts';
import type {RegistryHost} from './registry-host.ts';
import {formatRecord, SparseRecordReader} from './sparse-records.ts';
import type {StoreEntry, StoredFile} from './store-entry.ts';

/** Files that are kept even where only digests are asked for: lists that a lock and a description are made of. */
const smallBytes = 256 * 1024;

/** A list of files is some kilobytes; more is nobody's. */
const mostEntryBytes = 16 * 1024 ** 2;

/** Parts on their way at the same time. */
const atOnce = 6;

/** An entry of a registry. */
export interface FoundEntry {
  readonly entry: StoreEntry;
  /** Names of the files whose content can be had; of the others the digest is known. */
  readonly held: ReadonlySet<string>;
  /** By name of a file among them that is kept packed only: the name of its packed form. */
  readonly unpackedFrom: ReadonlyMap<string, string>;
}

/** What a search found: an entry, nothing, or something that is none. */
export type Search = FoundEntry | {readonly problem: string} | undefined;

/** An entry as a registry lists it. */
export interface ListedEntry {
  readonly fingerprint: string;
  readonly step: string;
  /** ISO 8601; empty where nobody says so. */
  readonly createdAt: string;
  /** Of its parts, some of which other entries may have, too. */
  readonly sizeBytes: number;
  /** Tags that speak of it. */
  readonly notes: readonly string[];
}

export interface Sent {
  /** Bytes that the registry did not have. */
  readonly sentBytes: number;
  /** All bytes of the entry's parts. */
  readonly totalBytes: number;
}

/**
 * Keeps finished steps in a repository of a registry and finds them again by fingerprint, as {@link ArtifactStore} does
 * in a volume. An entry exists when its manifest does, and a registry takes a manifest only when it has all of its
 * blobs; so a push that is stopped leaves nothing that could be found.
 */
export class RegistryStore implements EntryReader {
  readonly #host: RegistryHost;
  readonly #known = new Map<string, RegistryEntry>();

  constructor(host: RegistryHost) {
    this.#host = host;
  }

  get label(): string {
    return this.#host.label;
  }

  /** Looks an entry up. Nothing of its files is read. */
  async find(fingerprint: string): Promise<Search> {
    const manifest = await this.#host.readManifest(fingerprint);
    if (manifest === undefined) return undefined;
    const {config} = EntryManifest.safeParse(parseJson(manifest.content)).data ?? {};
    if (config?.mediaType !== mediaType.entry) return {problem: 'its manifest is not one of an artifact'};
    if (config.size > mostEntryBytes) return {problem: 'its list of files is too long'};
    const blob = await this.#host.readBlob(config.digest, config.size);
    if (blob === undefined) return {problem: 'its list of files is missing or damaged'};
    const parsed = RegistryEntry.safeParse(parseJson(blob));
    if (!parsed.success) return {problem: 'its list of files is not understood'};
    if (parsed.data.fingerprint !== fingerprint) {
      return {problem: `its tag leads to another artifact, ${parsed.data.fingerprint.slice(0, 12)}`};
    }
    this.#known.set(fingerprint, parsed.data);
    return describe(parsed.data);
  }

  /**
   * Reads a file that the registry keeps as it is, without its holes. Whoever reads it checks its digest.
   *
   * @throws MissingPartError for a file that the registry has not, or has lost a part of.
   */
  async readFile(
    entry: StoreEntry,
    name: string,
    onChunk: (chunk: Buffer) => Promise<void> | void,
  ): Promise<void> {
    const file = this.#file(entry, name);
    for await (const {offset, content} of this.#parts(file)) {
      await onChunk(formatRecord(offset, content.length));
      await onChunk(content);
    }
    await onChunk(formatRecord(file.sizeBytes, 0));
  }

  async readText(entry: StoreEntry, name: string): Promise<string> {
    const pieces: Buffer[] = [];
    const file = this.#file(entry, name);
    for await (const {content} of this.#parts(file)) pieces.push(content);
    const content = Buffer.concat(pieces);
    if (sha256(content) !== file.sha256) throw new MissingPartError(this.label, entry.step, name);
    return content.toString('utf8');
  }

  /**
   * Sends an entry. What the registry has of it is not sent again, and the manifest comes last.
   *
   * @param names Files whose content is kept. Of the others, small ones are kept, too, and else the digest.
   */
  async push(
    entry: StoreEntry,
    from: EntryReader,
    names: ReadonlySet<string>,
    onProgress: (bytes: number) => void = () => undefined,
  ): Promise<Sent> {
    const files: RegistryFile[] = [];
    const sent = {sentBytes: 0, totalBytes: 0};
    for (const file of entry.files) {
      if (!names.has(file.name) && file.sizeBytes > smallBytes) {
        files.push(plain(file));
      } else if (names.has(`${file.name}.zst`) && entry.files.some(({name}) => name === `${file.name}.zst`)) {
        files.push({...plain(file), unpackedFrom: `${file.name}.zst`});
      } else {
        const parts = await this.#send(entry, file, from, (bytes, isNew) => {
          sent.totalBytes += bytes;
          if (isNew) sent.sentBytes += bytes;
          onProgress(sent.totalBytes);
        });
        files.push({...plain(file), parts});
      }
    }
    await this.#publish({...entry, files});
    return sent;
  }

  /** Reads a small document that lies under a tag of its own; undefined when there is none of that kind. */
  async readNote(tag: string, type: string): Promise<Buffer | undefined> {
    const manifest = await this.#host.readManifest(tag);
    const {config} = EntryManifest.safeParse(manifest && parseJson(manifest.content)).data ?? {};
    if (config?.mediaType !== type || config.size > smallBytes) return undefined;
    return this.#host.readBlob(config.digest, config.size);
  }

  /** Writes a small document under a tag of its own. */
  async writeNote(tag: string, type: string, content: Buffer): Promise<void> {
    await this.#host.writeBlob(digestOf(content), content);
    await this.#writeManifest(
      tag,
      {mediaType: type, digest: digestOf(content), size: content.length},
      [],
      {},
    );
  }

  /** Every entry, as its manifest describes it; in no order. */
  async *list(): AsyncGenerator<ListedEntry, void> {
    const tags: string[] = [];
    for await (const tag of this.#host.listTags()) tags.push(tag);
    const entries = tags.filter((tag) => /^[0-9a-f]{64}$/.test(tag));
    for (let first = 0; first < entries.length; first += atOnce) {
      const some = entries.slice(first, first + atOnce).map(async (fingerprint) => {
        const manifest = await this.#host.readManifest(fingerprint);
        const {annotations = {}} =
          EntryManifest.safeParse(manifest && parseJson(manifest.content)).data ?? {};
        return {
          fingerprint,
          step: annotations[annotation.step] ?? 'unknown',
          createdAt: annotations[annotation.created] ?? '',
          sizeBytes: Number(annotations[annotation.size] ?? 0),
          notes: tags.filter((tag) => tag.startsWith(`${fingerprint}.`)),
        };
      });
      yield* await Promise.all(some);
    }
  }

  /** Removes an entry and what speaks of it. Its parts go when the registry collects its garbage. */
  async remove({fingerprint, notes}: Pick<ListedEntry, 'fingerprint' | 'notes'>): Promise<void> {
    for (const tag of [fingerprint, ...notes]) {
      const manifest = await this.#host.readManifest(tag);
      if (manifest !== undefined) await this.#host.removeManifest(manifest.digest);
    }
    this.#known.delete(fingerprint);
  }

  /** Puts what is known of an entry under its tag. */
  async #publish(entry: RegistryEntry): Promise<void> {
    const config = Buffer.from(JSON.stringify(entry));
    const layers = new Map(
      entry.files.flatMap(({parts = []}) => parts).map(({digest, size}) => [digest, size] as const),
    );
    await this.#host.writeBlob(digestOf(config), config);
    await this.#writeManifest(
      entry.fingerprint,
      {mediaType: mediaType.entry, digest: digestOf(config), size: config.length},
      [...layers].map(([digest, size]) => ({mediaType: mediaType.part, digest, size})),
      {
        [annotation.step]: entry.step,
        [annotation.fingerprint]: entry.fingerprint,
        [annotation.created]: entry.createdAt,
        [annotation.size]: String([...layers.values()].reduce((sum, size) => sum + size, 0)),
      },
    );
    this.#known.set(entry.fingerprint, entry);
  }

  async #writeManifest(
    tag: string,
    config: Descriptor,
    layers: readonly Descriptor[],
    annotations: Readonly<Record<string, string>>,
  ): Promise<void> {
    // Not every registry takes a manifest without any layer.
    if (layers.length === 0) await this.#host.writeBlob(emptyLayer.digest, emptyBlob);
    const manifest = {
      schemaVersion: 2,
      mediaType: mediaType.manifest,
      config,
      layers: layers.length === 0 ? [emptyLayer] : layers,
      annotations,
    };
    await this.#host.writeManifest(tag, Buffer.from(JSON.stringify(manifest)));
  }

  /** Sends the parts of a file, some at a time. */
  async #send(
    entry: StoreEntry,
    file: StoredFile,
    from: EntryReader,
    onPart: (bytes: number, isNew: boolean) => void,
  ): Promise<FilePart[]> {
    const parts: FilePart[] = [];
    const sending = new Set<Promise<void>>();
    const started = new Set<string>();
    let failure: {readonly error: unknown} | undefined;
    const send = async ({offset, content}: CutPart): Promise<void> => {
      const digest = digestOf(content);
      parts.push({offset, size: content.length, digest});
      if (started.has(digest)) {
        onPart(content.length, false);
        return;
      }
      started.add(digest);
      const one: Promise<void> = this.#host
        .writeBlob(digest, content)
        .then(
          (outcome) => onPart(content.length, outcome === 'sent'),
          (error: unknown) => void (failure ??= {error}),
        )
        .finally(() => sending.delete(one));
      sending.add(one);
      while (sending.size >= atOnce) await Promise.race(sending);
      if (failure !== undefined) throw failure.error;
    };
    const cutter = new ContentCutter(file.sizeBytes, send);
    const records = new SparseRecordReader((offset, data) => cutter.write(offset, data));
    try {
      await from.readFile(entry, file.name, (chunk) => records.write(chunk));
      records.finish();
      await cutter.finish();
    } finally {
      await Promise.all(sending);
    }
    if (failure !== undefined) throw failure.error;
    return parts;
  }

  /** The parts of a file in order, some of them fetched ahead. */
  async *#parts(file: RegistryFile): AsyncGenerator<{offset: number; content: Buffer}, void> {
    const parts = file.parts ?? [];
    const ahead: Promise<Buffer | undefined>[] = [];
    const fetchNext = () => {
      const part = parts[ahead.length];
      if (part === undefined) return;
      const fetched = this.#host.readBlob(part.digest, part.size);
      // Whoever waits for it is told; an earlier part may fail first.
      fetched.catch(() => undefined);
      ahead.push(fetched);
    };
    for (let count = 0; count < atOnce; count++) fetchNext();
    for (const [index, {offset}] of parts.entries()) {
      const content = await ahead[index];
      // A large file need not be held as a whole.
      ahead[index] = Promise.resolve(undefined);
      if (content === undefined) throw new MissingPartError(this.label, file.name, `at ${offset}`);
      fetchNext();
      yield {offset, content};
    }
  }

  #file(entry: StoreEntry, name: string): RegistryFile {
    const file = this.#known.get(entry.fingerprint)?.files.find((found) => found.name === name);
    if (file?.parts === undefined) throw new MissingPartError(this.label, entry.step, name);
    return file;
  }
}

/** A registry that does not have, or no longer has, the content of a file. */
export class MissingPartError extends Error {
  override readonly name = 'MissingPartError';

  constructor(label: string, of: string, what: string) {
    super(`${label} does not have all of ${of}: ${what}`);
  }
}

const emptyBlob = Buffer.from('{}');
const emptyLayer = {mediaType: mediaType.empty, digest: digestOf(emptyBlob), size: emptyBlob.length};

function describe(found: RegistryEntry): FoundEntry {
  const whole = found.files.flatMap(({name, parts}) => (parts === undefined ? [] : [name]));
  const unpackedFrom = new Map(
    found.files.flatMap(({name, unpackedFrom: from}) =>
      from !== undefined && whole.includes(from) ? [[name, from] as const] : [],
    ),
  );
  const entry: StoreEntry = {...found, files: found.files.map(plain)};
  return {entry, held: new Set([...whole, ...unpackedFrom.keys()]), unpackedFrom};
}

function plain({name, sizeBytes, sha256}: StoredFile): StoredFile {
  return {name, sizeBytes, sha256};
}

export function digestOf(content: Buffer): string {
  return `sha256:${sha256(content)}`;
}

function sha256(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}

function parseJson(content: Buffer): unknown {
  try {
    return JSON.parse(content.toString('utf8'));
  } catch {
    return undefined;
  }
}
