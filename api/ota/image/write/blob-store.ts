import {createHash} from 'node:crypto';
import {closeSync, openSync, rmSync} from 'node:fs';
import {availableParallelism} from 'node:os';
import {extname, join} from 'node:path';
import {LocalRunner} from '../../local-runner.ts';
import {readContent, wholeFile, type FileContent} from '../../rootfs/file-content.ts';
import {WorkerPool, type TaskRunner} from '../../worker-pool.ts';
import type {Sha256Hex} from '../model/digest.ts';
import {compressLarge} from '../zstd/compress-large.ts';
import {
  asBuffer,
  changed,
  doBlobTask,
  isPacked,
  keep,
  storeBytes,
  temporaryPath,
  withFile,
  writeFully,
  type BlobResults,
  type BlobTask,
  type KnownContent,
  type StoredBlob,
} from './blob-tasks.ts';
import {limits} from './limits.ts';

type AnyResult = BlobResults[BlobTask['kind']];

/** So much work is worth starting threads for. */
const smallBytes = 16 * 1024 * 1024;
const workerScript = new URL(`./blob-worker${extname(import.meta.url)}`, import.meta.url);

export interface BlobStoreOptions {
  /** Threads; 0 is none beside this one. Default: one for each CPU, none for little work. The blobs are the same. */
  readonly workers?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * The blobs of an image that is being made. What it adds it removes again when it is disposed of without `commit`. Content
 * can be deferred: it is then known by its digest and stays where it is until somebody stores it.
 */
export class BlobStore implements AsyncDisposable {
  readonly blobs: string;
  readonly #options: BlobStoreOptions;
  readonly #created = new Set<Sha256Hex>();
  readonly #temporary = new Set<string>();
  readonly #deferred = new Map<Sha256Hex, FileContent>();
  /** What `compress` will be asked for. */
  readonly #pressed = new Map<Sha256Hex, StoredBlob | undefined>();
  #runner: TaskRunner<BlobTask, AnyResult> | undefined;
  #isWide = false;

  constructor(blobs: string, options: BlobStoreOptions = {}) {
    this.blobs = blobs;
    this.#options = options;
  }

  /** Told before much work comes, so that threads are worth it. */
  expect(bytes: number): void {
    if (bytes > smallBytes) this.#isWide = true;
  }

  storeBytes(bytes: Uint8Array): StoredBlob {
    return this.#remember(storeBytes(this.blobs, bytes));
  }

  async storeCompressed(bytes: Uint8Array): Promise<StoredBlob> {
    return this.#remember(await this.#run({kind: 'compress-bytes', blobs: this.blobs, bytes}));
  }

  defer({content, hex}: KnownContent): void {
    this.#deferred.set(hex, content);
  }

  /** Where the content of a resource is: deferred, or a blob. */
  contentOf(hex: Sha256Hex, size: number): KnownContent {
    return {hex, content: this.#deferred.get(hex) ?? wholeFile(join(this.blobs, hex), size)};
  }

  isDeferred(hex: Sha256Hex): boolean {
    return this.#deferred.has(hex);
  }

  async hash(contents: readonly FileContent[]): Promise<readonly Sha256Hex[]> {
    return this.#run({kind: 'hash', contents});
  }

  async store(known: KnownContent): Promise<StoredBlob> {
    return this.#remember(await this.#run({kind: 'store', blobs: this.blobs, known}));
  }

  async bundle(members: readonly KnownContent[]): Promise<BlobResults['bundle']> {
    const bundle = await this.#run({kind: 'bundle', blobs: this.blobs, members});
    this.#remember(bundle.compressed);
    return bundle;
  }

  async slice(known: KnownContent): Promise<readonly StoredBlob[]> {
    const slices = await this.#run({kind: 'slice', blobs: this.blobs, known});
    return slices.map((slice) => this.#remember(slice));
  }

  /** As `hash` and `compress` in one: content that occurs once is then read once. */
  async press(contents: readonly FileContent[]): Promise<readonly Sha256Hex[]> {
    const results = await this.#run({kind: 'press', blobs: this.blobs, contents});
    for (const {hex, blob} of results) this.#pressed.set(hex, blob && this.#remember(blob));
    return results.map(({hex}) => hex);
  }

  /** Stores the content compressed; undefined if it is so already, or that does not make it much smaller. */
  async compress(known: KnownContent, isLarge: boolean): Promise<StoredBlob | undefined> {
    if (this.#pressed.has(known.hex)) return this.#pressed.get(known.hex);
    if (isLarge) return this.#compressLarge(known);
    const blob = await this.#run({kind: 'compress', blobs: this.blobs, known});
    return blob && this.#remember(blob);
  }

  /** Forgets what it added: it stays. */
  commit(): void {
    this.#created.clear();
  }

  /** What it added. */
  get created(): readonly Sha256Hex[] {
    return [...this.#created];
  }

  /** Removes a blob. */
  remove(hex: Sha256Hex): void {
    rmSync(join(this.blobs, hex), {force: true});
    this.#created.delete(hex);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#runner?.[Symbol.asyncDispose]();
    for (const hex of this.#created) rmSync(join(this.blobs, hex), {force: true});
    for (const path of this.#temporary) rmSync(path, {force: true});
  }

  async #compressLarge(known: KnownContent): Promise<StoredBlob | undefined> {
    const {content} = known;
    if (withFile(content, (file) => isPacked(readContent(content, file, 0, 4)))) return undefined;
    const temporary = temporaryPath(this.blobs);
    this.#temporary.add(temporary);
    const input = openSync(content.file, 'r');
    const output = openSync(temporary, 'wx', 0o644);
    const hash = createHash('sha256');
    let size = 0;
    try {
      const pieces = compressLarge(
        {
          sizeBytes: content.sizeBytes,
          read: (offset, length) => readContent(content, input, offset, length),
          compressChunk: async (offset, length) => {
            const {windowByte, blocks} = await this.#run({kind: 'chunk', content, offset, length});
            return {windowByte, blocks: asBuffer(blocks)};
          },
        },
        this.#width(),
      );
      for await (const piece of pieces) {
        hash.update(piece);
        writeFully(output, piece);
        size += piece.length;
      }
    } finally {
      closeSync(output);
      closeSync(input);
    }
    if ((await this.hash([content]))[0] !== known.hex) throw changed(content);
    if (content.sizeBytes / size < limits.minRatio) {
      rmSync(temporary);
      return undefined;
    }
    return this.#remember(keep(this.blobs, temporary, hash.digest('hex') as Sha256Hex, size));
  }

  #remember(blob: StoredBlob): StoredBlob {
    if (blob.isNew) this.#created.add(blob.hex);
    return blob;
  }

  #width(): number {
    return this.#options.workers ?? (this.#isWide ? availableParallelism() : 0);
  }

  async #run<K extends BlobTask['kind']>(task: BlobTask & {readonly kind: K}): Promise<BlobResults[K]> {
    const {signal} = this.#options;
    signal?.throwIfAborted();
    const threads = this.#width();
    this.#runner ??=
      threads > 0
        ? new WorkerPool<BlobTask, AnyResult>(workerScript, {threads, workerData: undefined, signal})
        : new LocalRunner((one: BlobTask) => doBlobTask(one), signal);
    return (await this.#runner.run(task)) as BlobResults[K];
  }
}
