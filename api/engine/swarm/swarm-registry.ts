import {createHash} from 'node:crypto';
import {createReadStream, createWriteStream} from 'node:fs';
import {mkdtemp, rm, stat} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import type {Readable} from 'node:stream';
import {pipeline} from 'node:stream/promises';
import {setTimeout as sleep} from 'node:timers/promises';
import type {EntryReader} from '../../../volumes/entry-reader.ts';
import {EntryManifest, mediaType} from '../../../volumes/registry-entry.ts';
import {RegistryStore, type FoundEntry} from '../../../volumes/registry-store.ts';
import {formatRecord} from '../../../volumes/sparse-records.ts';
import {storeFormat, type StoreEntry} from '../../../volumes/store-entry.ts';
import type {RegistryLogin} from '../../docker/swarm.ts';
import {PipelineError} from '../../errors.ts';
import {ArtifactRepository} from '../../registry/artifact-repository.ts';
import {credentialsFromFiles, type Credentials} from '../../registry/credentials.ts';
import {digestOf, manifestTypes} from '../../registry/manifest.ts';
import type {ImageReference} from '../../registry/reference.ts';
import {RegistryAwayError} from '../../registry/registry-away.ts';
import {findCertificates, type RegistryCertificates} from '../../registry/registry-certificates.ts';
import type {ImageRepository} from './push-image.ts';
import type {WorkerRegistry} from './worker-job.ts';

/** How long a registry may be away while a run needs it. A worker is as patient. */
const patienceMs = 10 * 60_000;

/** What workers need to know of the kinds of what they send. */
export const workerMediaTypes = {
  manifest: mediaType.manifest,
  entry: mediaType.entry,
  part: mediaType.part,
  package: 'application/vnd.debian.binary-package',
  empty: mediaType.empty,
} as const;

/** The repository through which the client of a swarm and its workers hand files to each other. */
export class SwarmRegistry implements AsyncDisposable {
  readonly #reference: ImageReference;
  readonly #repository: ArtifactRepository;
  readonly #credentials: Credentials | undefined;
  readonly #certificates: RegistryCertificates | undefined;
  readonly #insecure: boolean;
  readonly #signal: AbortSignal;
  readonly #notify: (message: string) => void;
  #awaySinceMs: number | undefined;
  readonly store: RegistryStore;
  /** Entries that are on their way, or there. */
  readonly #sent = new Map<string, Promise<string>>();

  private constructor(
    reference: ImageReference,
    credentials: Credentials | undefined,
    certificates: RegistryCertificates | undefined,
    insecure: boolean,
    signal: AbortSignal,
    notify: (message: string) => void,
  ) {
    this.#reference = reference;
    this.#credentials = credentials;
    this.#certificates = certificates;
    this.#insecure = insecure;
    this.#signal = signal;
    this.#notify = notify;
    this.#repository = new ArtifactRepository(reference, {
      credentials: () => Promise.resolve(credentials),
      insecureRegistries: insecure ? [reference.registry] : [],
      signal,
    });
    this.store = new RegistryStore(this.#repository);
  }

  /**
   * @param insecure It is spoken to without TLS.
   * @param notify told once when it goes away while something is wanted of it, and once when it is back.
   */
  static async open(
    reference: ImageReference,
    insecure: boolean,
    signal: AbortSignal,
    notify: (message: string) => void = () => undefined,
  ): Promise<SwarmRegistry> {
    const login = await credentialsFromFiles()(reference.registry);
    if (login !== undefined && 'identityToken' in login) {
      throw new PipelineError(
        'REGISTRY_FAILED',
        `the login at ${reference.registry} is a token, and the workers of a swarm need a password`,
        {hint: 'docker login with a user name and a password, or an access token in its place.'},
      );
    }
    const certificates = insecure ? undefined : await findCertificates(reference.registry);
    return new SwarmRegistry(reference, login, certificates, insecure, signal, notify);
  }

  /** `registry:5000/team/cache` */
  get label(): string {
    return this.#repository.label;
  }

  /** What nodes pull build images with. */
  get login(): RegistryLogin | undefined {
    return this.#credentials && {...this.#credentials, serveraddress: this.#reference.registry};
  }

  /** Where the images of workers lie. */
  get images(): ImageRepository {
    return {name: this.label, login: this.login, find: (tag) => this.findImage(tag)};
  }

  /**
   * Whether it can be read and written now.
   *
   * @throws PipelineError `REGISTRY_FAILED`
   */
  async probe(): Promise<void> {
    await this.#repository.readManifest('doctor', manifestTypes);
    // A blob that every artifact without files has.
    const empty = Buffer.from('{}');
    await this.#repository.writeBlob(digestOf(empty), empty);
  }

  /** What a worker is told about it. */
  get forWorkers(): WorkerRegistry {
    const {registry, repository} = this.#reference;
    const {authorities = [], client} = this.#certificates ?? {};
    return {
      url: `${this.#insecure ? 'http' : 'https'}://${registry}`,
      repository,
      ...this.#credentials,
      ...(authorities.length > 0 && {authorities: authorities.join('\n')}),
      ...(client && {client}),
    };
  }

  /** Digest of what a tag names; waits for a registry that is away. */
  async find(tag: string): Promise<string | undefined> {
    return (await this.#patiently(() => this.#repository.readManifest(tag)))?.digest;
  }

  /** The same for a build image. */
  async findImage(tag: string): Promise<string | undefined> {
    return (await this.#patiently(() => this.#repository.readManifest(tag, manifestTypes)))?.digest;
  }

  /** An entry all of whose files it has; waits for a registry that is away. */
  async findEntry(fingerprint: string): Promise<FoundEntry | undefined> {
    const found = await this.#patiently(() => this.store.find(fingerprint));
    return found !== undefined && 'entry' in found && isWhole(found) ? found : undefined;
  }

  /**
   * Makes sure that the registry has all files of an entry.
   *
   * @returns digest of the list of its files, by which a worker gets them.
   */
  send(entry: StoreEntry, from: EntryReader): Promise<string> {
    const sending = this.#sent.get(entry.fingerprint) ?? this.#send(entry, from);
    this.#sent.set(entry.fingerprint, sending);
    return sending;
  }

  /** The same for a tar, as an entry with one file. */
  async sendTar(
    step: string,
    name: string,
    write: (send: (tar: Readable) => Promise<void>) => Promise<void>,
  ) {
    const folder = await mkdtemp(join(tmpdir(), 'hypriotkit-files-'));
    try {
      const path = join(folder, 'tar');
      const hash = createHash('sha256');
      await write((tar) =>
        pipeline(
          tar,
          async function* (pieces: AsyncIterable<Buffer>) {
            for await (const piece of pieces) {
              hash.update(piece);
              yield piece;
            }
          },
          createWriteStream(path),
        ),
      );
      const {size: sizeBytes} = await stat(path);
      const sha256 = hash.digest('hex');
      const entry: StoreEntry = {
        format: storeFormat,
        step,
        fingerprint: createHash('sha256').update(`${name} ${sha256}`).digest('hex'),
        inputs: {},
        createdAt: new Date().toISOString(),
        durationMs: 0,
        files: [{name, sizeBytes, sha256}],
      };
      return await this.send(entry, fileReader(path, sizeBytes));
    } finally {
      await rm(folder, {recursive: true, force: true});
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#repository[Symbol.asyncDispose]();
  }

  async #send(entry: StoreEntry, from: EntryReader): Promise<string> {
    if ((await this.findEntry(entry.fingerprint)) === undefined) {
      const names = new Set(entry.files.map(({name}) => name));
      await this.#patiently(() => this.store.push(entry, from, names));
    }
    const manifest = await this.#patiently(() => this.#repository.readManifest(entry.fingerprint));
    const {config} = EntryManifest.parse(JSON.parse(manifest?.content.toString('utf8') ?? 'null'));
    return config.digest;
  }

  /** Waits for a registry that is away; says so when that begins, and when it is over. */
  async #patiently<T>(action: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        const answer = await action();
        if (this.#awaySinceMs !== undefined) this.#notify(`the registry ${this.#reference.registry} is back`);
        this.#awaySinceMs = undefined;
        return answer;
      } catch (error) {
        if (!(error instanceof RegistryAwayError) || this.#signal.aborted) throw error;
        if (this.#awaySinceMs === undefined) this.#notify(`${error.message}; waiting for it`);
        this.#awaySinceMs ??= Date.now();
        if (Date.now() - this.#awaySinceMs > patienceMs) throw error;
        await sleep(1000, undefined, {signal: this.#signal});
      }
    }
  }
}

function isWhole({entry, held}: FoundEntry): boolean {
  return entry.files.every(({name}) => held.has(name));
}

function fileReader(path: string, sizeBytes: number): EntryReader {
  return {
    readFile: async (_entry, _name, onChunk) => {
      let offset = 0;
      for await (const piece of createReadStream(path, {highWaterMark: 1024 ** 2}) as AsyncIterable<Buffer>) {
        await onChunk(formatRecord(offset, piece.length));
        await onChunk(piece);
        offset += piece.length;
      }
      await onChunk(formatRecord(sizeBytes, 0));
    },
    readText: () => Promise.reject(new Error('it is not read as text')),
  };
}
