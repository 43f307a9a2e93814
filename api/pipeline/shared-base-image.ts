import {createReadStream} from 'node:fs';
import {mkdtemp, open, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import type {Readable} from 'node:stream';
import type {LockedImage} from '../../configs/lock-file.ts';
import type {EntryReader} from '../../volumes/entry-reader.ts';
import type {ImageCache} from '../../volumes/image-cache.ts';
import {formatRecord} from '../../volumes/sparse-records.ts';
import {storeFormat, type StoreEntry} from '../../volumes/store-entry.ts';
import {baseImageStep} from '../components/components.ts';
import type {ImageFiles} from '../engine/locked-image.ts';
import {PipelineError} from '../errors.ts';
import {SparseFileWriter} from './sparse-stream.ts';
import type {TeamCache} from './team-cache.ts';

/** The only file of such an entry. */
const fileName = 'image.tar.gz';

/**
 * The base image of a lock as an entry of a registry: its fingerprint is the digest over its content, and the lock says
 * what its file has to be.
 */
export function baseImageEntry({content, sha256, size}: LockedImage): StoreEntry {
  return {
    format: storeFormat,
    step: baseImageStep,
    fingerprint: content,
    inputs: {image: content},
    createdAt: new Date().toISOString(),
    durationMs: 0,
    files: [{name: fileName, sizeBytes: size, sha256}],
  };
}

/** Reads the file of a base image from the package volume. */
export class KeptImageReader implements EntryReader {
  readonly #images: ImageCache;

  constructor(images: ImageCache) {
    this.#images = images;
  }

  async readFile(
    {fingerprint, files: [file]}: StoreEntry,
    _name: string,
    onChunk: (chunk: Buffer) => Promise<void> | void,
  ): Promise<void> {
    if (file === undefined) throw new Error('an image is one file');
    const {sizeBytes, sha256} = file;
    if (sizeBytes > 0) await onChunk(formatRecord(0, sizeBytes));
    const found = await this.#images.open({content: fingerprint, sha256}, async (content) => {
      for await (const chunk of content) await onChunk(chunk as Buffer);
      return true;
    });
    if (found === undefined) throw new Error(`${this.#images.label} does not have the image any more`);
    await onChunk(formatRecord(sizeBytes, 0));
  }

  readText(): Promise<string> {
    return Promise.reject(new Error('an image is no text'));
  }
}

/** The files of base images in registries; each is fetched once, to this machine. */
export class SharedImages implements ImageFiles, AsyncDisposable {
  readonly #cache: TeamCache;
  readonly #progress: (message: string) => void;
  #folder: Promise<string> | undefined;
  #fetched: Promise<string | undefined> | undefined;

  constructor(cache: TeamCache, progress: (message: string) => void) {
    this.#cache = cache;
    this.#progress = progress;
  }

  get label(): string {
    return 'the registries of --cache-from';
  }

  async open<T>(
    image: Pick<LockedImage, 'content' | 'sha256'>,
    read: (file: Readable) => Promise<T>,
  ): Promise<T | undefined> {
    const file = await (this.#fetched ??= this.#fetch(image));
    return file === undefined ? undefined : read(createReadStream(file, {highWaterMark: 1024 ** 2}));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#folder !== undefined) await rm(await this.#folder, {recursive: true, force: true});
  }

  async #fetch({content, sha256}: Pick<LockedImage, 'content' | 'sha256'>): Promise<string | undefined> {
    const entry = await this.#cache.findFile(content, fileName, sha256);
    if (entry === undefined) return undefined;
    this.#progress('fetching the base image of the lock from a registry');
    this.#folder ??= mkdtemp(join(tmpdir(), 'hypriotkit-image-'));
    const file = join(await this.#folder, fileName);
    const handle = await open(file, 'w');
    try {
      const writer = new SparseFileWriter(handle);
      await this.#cache.readFile(entry, fileName, (chunk) => writer.write(chunk));
      if ((await writer.finish()) === sha256) return file;
      this.#cache.reject(entry);
    } catch (error) {
      if (!(error instanceof PipelineError)) throw error;
      this.#cache.reject(entry);
    } finally {
      await handle.close();
    }
    return undefined;
  }
}
