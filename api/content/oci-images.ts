import {createReadStream, createWriteStream} from 'node:fs';
import {rm, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {pipeline} from 'node:stream/promises';
import type {BlobLease, CacheBlob} from '../cache/cache-entry.ts';
import type {DownloadCache} from '../cache/download-cache.ts';
import {PipelineError} from '../errors.ts';
import {dockerArchive} from '../registry/docker-archive.ts';
import type {BlobDescriptor, ImageManifest, ImageSource} from '../registry/image-source.ts';
import {ImageSpool, type SpooledImage} from '../registry/image-spool.ts';
import type {ContentImage} from './content-config.ts';
import type {Report} from './content-event.ts';
import {inParallel} from './in-parallel.ts';

/** An image whose manifest is known. */
export interface ResolvedImage {
  readonly image: ContentImage;
  readonly manifest: ImageManifest;
}

/** An image as it goes onto the device. */
export interface ExportedImage {
  readonly image: ContentImage;
  /** Of the tar. */
  readonly tarBytes: number;
  /** Of what is in it. */
  readonly unpackedBytes: number;
  open(): AsyncIterable<Uint8Array>;
}

interface FetchOptions {
  readonly source: ImageSource;
  readonly cache: DownloadCache | undefined;
  /** A folder with room for all layers, packed and unpacked. */
  readonly scratch: string;
  readonly concurrency: number;
  readonly report: Report;
  readonly signal: AbortSignal;
}

/** Images with everything they consist of; removed when disposed of. */
export interface FetchedImages extends AsyncDisposable {
  readonly images: readonly ExportedImage[];
  /** Content bytes that came over the network. */
  readonly receivedBytes: number;
}

/**
 * Fetches images from their registries, each blob once for all of them, several at a time. What the cache has is not
 * fetched again.
 *
 * @throws PipelineError `REGISTRY_FAILED`
 */
export async function fetchImages(
  resolved: readonly ResolvedImage[],
  options: FetchOptions,
): Promise<FetchedImages> {
  const blobs = new BlobFetcher(options);
  const spool = await ImageSpool.create(options.scratch);
  const dispose = async () => {
    await blobs[Symbol.asyncDispose]();
    await spool[Symbol.asyncDispose]();
  };
  try {
    await blobs.fetchAll(resolved);
    const images: ExportedImage[] = [];
    for (const {image, manifest} of resolved) {
      const stored: ImageSource = {
        resolve: () => Promise.resolve(manifest),
        openBlob: (_manifest, {digest}) => blobs.open(digest),
      };
      const spooled = withName(await spool.fetch(stored, image.reference, image.platform));
      images.push(await exportImage(image, spooled, spool));
      await blobs.enter(image, manifest);
    }
    return {images, receivedBytes: blobs.receivedBytes, [Symbol.asyncDispose]: dispose};
  } catch (error) {
    await dispose();
    throw error;
  }
}

/** How large an exported image is: the tar, and all that is in it. */
export async function exportImage(
  image: ContentImage,
  spooled: SpooledImage,
  spool: ImageSpool,
): Promise<ExportedImage> {
  const sizes = await Promise.all([...new Set(spooled.layers)].map((layer) => spool.sizeOf(layer)));
  const {tarBytes, unpackedBytes} = await measure(spooled, spool, sizes);
  return {image, tarBytes, unpackedBytes, open: () => dockerArchive([spooled], spool)};
}

async function measure(spooled: SpooledImage, spool: ImageSpool, layerBytes: readonly number[]) {
  // Everything but the layers is small: that part is made, and their contents are left out.
  const empty = {sizeOf: (id: string) => spool.sizeOf(id), open: () => []} as unknown as ImageSpool;
  let headers = 0;
  let manifestBytes = 0;
  for await (const piece of dockerArchive([spooled], empty)) {
    headers += piece.length;
    // The only part that starts with "[".
    if (piece[0] === 0x5b) manifestBytes = piece.length;
  }
  const layers = layerBytes.reduce((sum, bytes) => sum + bytes, 0);
  return {tarBytes: headers + layers, unpackedBytes: layers + spooled.config.length + manifestBytes};
}

/** The device loads an archive by the name in it, so that there must be one, also for what is named by its digest alone. */
function withName(image: SpooledImage): SpooledImage {
  if (image.name !== undefined) return image;
  const {registry, repository, digest = ''} = image.reference;
  return {...image, name: `${registry}/${repository}:${digest.replace(':', '-')}`};
}

/** Blobs of images, in the cache or in the scratch folder. */
class BlobFetcher implements AsyncDisposable {
  readonly #options: FetchOptions;
  readonly #paths = new Map<string, string>();
  readonly #leases: BlobLease[] = [];
  readonly #scratchFiles: string[] = [];
  #doneBytes = 0;
  #receivedBytes = 0;

  constructor(options: FetchOptions) {
    this.#options = options;
  }

  get receivedBytes(): number {
    return this.#receivedBytes;
  }

  async fetchAll(resolved: readonly ResolvedImage[]): Promise<void> {
    const wanted = new Map<string, {image: ImageManifest; blob: BlobDescriptor; name: string}>();
    for (const {image, manifest} of resolved)
      for (const blob of [manifest.config, ...manifest.layers])
        wanted.set(blob.digest, {image: manifest, blob, name: image.name});
    const totalBytes = [...wanted.values()].reduce((sum, {blob}) => sum + blob.sizeBytes, 0);
    await inParallel([...wanted.values()], this.#options.concurrency, async ({image, blob, name}) => {
      await this.#fetch(image, blob, (received) => {
        this.#options.report(name, (this.#doneBytes += received), totalBytes);
      });
    });
  }

  open(digest: string): AsyncIterable<Uint8Array> {
    const path = this.#paths.get(digest);
    if (path === undefined) throw new Error(`${digest} was not fetched`);
    return createReadStream(path, {highWaterMark: 512 * 1024});
  }

  /** Makes an entry of the cache of an image whose blobs are there. */
  async enter({name}: ContentImage, manifest: ImageManifest): Promise<void> {
    const {cache, scratch} = this.#options;
    if (cache === undefined) return;
    const parts = [manifest.config, ...manifest.layers];
    const sizeBytes = parts.reduce((sum, blob) => sum + blob.sizeBytes, manifest.content.length);
    const key = {kind: 'oci_image' as const, source: name};
    const [isKept = false] = await cache.admit([{...key, sizeBytes}]);
    if (!isKept) return;
    const path = join(scratch, `manifest-${hex(manifest.digest)}`);
    await writeFile(path, manifest.content);
    const own = toBlob({mediaType: '', digest: manifest.digest, sizeBytes: manifest.content.length});
    this.#leases.push(await cache.addBlob(path, own));
    const entry = await cache.addEntry(key, [own, ...parts.map(toBlob)], {digest: manifest.digest});
    await entry.release();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const lease of this.#leases.splice(0)) await lease.release();
    for (const path of this.#scratchFiles.splice(0)) await rm(path, {force: true});
  }

  async #fetch(
    image: ImageManifest,
    blob: BlobDescriptor,
    report: (received: number) => void,
  ): Promise<void> {
    const {cache, scratch, source, signal} = this.#options;
    const known = await cache?.useBlob(hex(blob.digest));
    if (known !== undefined) {
      this.#leases.push(known);
      this.#paths.set(blob.digest, known.path);
      report(blob.sizeBytes);
      return;
    }
    const path = join(scratch, `blob-${hex(blob.digest)}`);
    this.#receivedBytes += blob.sizeBytes;
    await pipeline(async function* () {
      for await (const piece of source.openBlob(image, blob)) {
        signal.throwIfAborted();
        yield piece;
        report(piece.length);
      }
    }, createWriteStream(path));
    if (cache === undefined) {
      this.#scratchFiles.push(path);
      this.#paths.set(blob.digest, path);
    } else {
      const lease = await cache.addBlob(path, toBlob(blob));
      this.#leases.push(lease);
      this.#paths.set(blob.digest, lease.path);
    }
  }
}

function toBlob({digest, sizeBytes}: BlobDescriptor): CacheBlob {
  return {sha256: hex(digest), sizeBytes};
}

function hex(digest: string): string {
  if (!/^sha256:[0-9a-f]{64}$/.test(digest))
    throw new PipelineError('REGISTRY_FAILED', `${digest} is no SHA-256`);
  return digest.slice('sha256:'.length);
}
