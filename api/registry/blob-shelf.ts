import {createWriteStream} from 'node:fs';
import {mkdtemp, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {pipeline} from 'node:stream/promises';
import type {BlobLease, CacheBlob} from '../cache/cache-entry.ts';
import type {DownloadCache} from '../cache/download-cache.ts';
import {PipelineError} from '../errors.ts';
import type {BlobDescriptor, ImageManifest} from './image-source.ts';

/** Digest and size are all that a blob is found by. */
type BlobKey = Pick<BlobDescriptor, 'digest' | 'sizeBytes'>;

/**
 * Blobs of images that are at hand as files until the shelf is disposed of: in the user's cache, as its policy says, or
 * in a folder of its own.
 */
export class BlobShelf implements AsyncDisposable {
  readonly #cache: DownloadCache | undefined;
  readonly #folder: string;
  readonly #paths = new Map<string, string>();
  readonly #leases: BlobLease[] = [];

  private constructor(cache: DownloadCache | undefined, folder: string) {
    this.#cache = cache;
    this.#folder = folder;
  }

  /** @param scratch A folder with room for what the cache does not keep; one for temporary files when absent. */
  static async open(cache: DownloadCache | undefined, scratch?: string): Promise<BlobShelf> {
    const parent = scratch ?? cache?.partialFolder ?? tmpdir();
    return new BlobShelf(cache, await mkdtemp(join(parent, '.blobs-')));
  }

  /** Where a blob lies; it has been found or added. */
  pathOf(digest: string): string {
    const path = this.#paths.get(digest);
    if (path === undefined) throw new Error(`${digest} was not fetched`);
    return path;
  }

  /** Looks for a blob that is there already, whatever it came for. */
  async find({
    digest,
    sizeBytes,
  }: {
    digest: string;
    sizeBytes?: number | undefined;
  }): Promise<string | undefined> {
    const known = this.#paths.get(digest);
    if (known !== undefined) return known;
    const lease = await this.#cache?.useBlob(hex(digest));
    if (lease === undefined) return undefined;
    if (sizeBytes !== undefined && lease.blob.sizeBytes !== sizeBytes) {
      await lease.release();
      return undefined;
    }
    return this.#lend(digest, lease);
  }

  /** Takes in a blob, which has been compared with its digest on the way. */
  async add(blob: BlobKey, content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<string> {
    const path = join(this.#folder, hex(blob.digest));
    await pipeline(content, createWriteStream(path));
    if (this.#cache !== undefined)
      return this.#lend(blob.digest, await this.#cache.addBlob(path, toBlob(blob)));
    this.#paths.set(blob.digest, path);
    return path;
  }

  /**
   * Makes an entry of the cache of an image whose blobs are all here, if the policy keeps it.
   *
   * @param source As the image was asked for.
   */
  async enter(source: string, manifest: ImageManifest): Promise<void> {
    const cache = this.#cache;
    if (cache === undefined) return;
    const own = {digest: manifest.digest, sizeBytes: manifest.content.length};
    const parts = [manifest.config, ...manifest.layers];
    const key = {kind: 'oci_image' as const, source};
    const sizeBytes = parts.reduce((sum, blob) => sum + blob.sizeBytes, own.sizeBytes);
    const [isKept = false] = await cache.admit([{...key, sizeBytes}]);
    if (!isKept) return;
    if ((await this.find(own)) === undefined) await this.add(own, [manifest.content]);
    const entry = await cache.addEntry(key, [own, ...parts].map(toBlob), {digest: manifest.digest});
    await entry.release();
  }

  /** Forgets a blob that is damaged, so that it is fetched again. */
  async drop(digest: string): Promise<void> {
    this.#paths.delete(digest);
    // Reading it back is what makes the cache remove it.
    await (await this.#cache?.useBlob(hex(digest), {mustHash: true}))?.release();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const lease of this.#leases.splice(0)) await lease.release();
    await rm(this.#folder, {recursive: true, force: true});
  }

  #lend(digest: string, lease: BlobLease): string {
    this.#leases.push(lease);
    this.#paths.set(digest, lease.path);
    return lease.path;
  }
}

function toBlob({digest, sizeBytes}: BlobKey): CacheBlob {
  return {sha256: hex(digest), sizeBytes};
}

function hex(digest: string): string {
  if (!/^sha256:[0-9a-f]{64}$/.test(digest))
    throw new PipelineError('REGISTRY_FAILED', `${digest} is no SHA-256`);
  return digest.slice('sha256:'.length);
}
