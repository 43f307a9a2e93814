import {createReadStream} from 'node:fs';
import type {DownloadCache} from '../cache/download-cache.ts';
import {BlobShelf} from '../registry/blob-shelf.ts';
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
  readonly open: () => AsyncIterable<Uint8Array>;
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
  const shelf = await BlobShelf.open(options.cache, options.scratch);
  const blobs = new BlobFetcher(shelf, options);
  const spool = await ImageSpool.create(options.scratch);
  const dispose = async () => {
    await shelf[Symbol.asyncDispose]();
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
      await shelf.enter(image.name, manifest);
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

/** Fetches blobs of images. */
class BlobFetcher {
  readonly #shelf: BlobShelf;
  readonly #options: FetchOptions;
  #doneBytes = 0;
  #receivedBytes = 0;

  constructor(shelf: BlobShelf, options: FetchOptions) {
    this.#shelf = shelf;
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
    return createReadStream(this.#shelf.pathOf(digest), {highWaterMark: 512 * 1024});
  }

  async #fetch(
    image: ImageManifest,
    blob: BlobDescriptor,
    report: (received: number) => void,
  ): Promise<void> {
    const {source, signal} = this.#options;
    if ((await this.#shelf.find(blob)) !== undefined) {
      report(blob.sizeBytes);
      return;
    }
    this.#receivedBytes += blob.sizeBytes;
    const content = async function* () {
      for await (const piece of source.openBlob(image, blob)) {
        signal.throwIfAborted();
        yield piece;
        report(piece.length);
      }
    };
    await this.#shelf.add(blob, content());
  }
}
