import {readFile} from 'node:fs/promises';
import {z} from 'zod';
import type {DownloadCache} from '../cache/download-cache.ts';
import {PipelineError} from '../errors.ts';
import {BlobShelf} from './blob-shelf.ts';
import {checkedLayer, ImageArchive} from './image-archive.ts';
import {formatPlatform, type BlobDescriptor, type ImageManifest, type Platform} from './image-source.ts';
import {isIndex, parseManifest} from './manifest.ts';
import {formatImageReference, parseImageReference, type ImageReference} from './reference.ts';
import {RegistryClient} from './registry-client.ts';

/** An image as a lock has it. */
export interface PinnedImage {
  /** As a reference without abbreviations. */
  readonly name: string;
  /** Of the manifest for the platform. */
  readonly digest: string;
}

export interface FetchImageOptions {
  /** Called with what is going on, for people. */
  readonly onProgress?: (message: string) => void;
  readonly signal?: AbortSignal | undefined;
}

const Config = z.object({
  os: z.string(),
  architecture: z.string(),
  variant: z.string().optional(),
  rootfs: z.object({diff_ids: z.array(z.string())}),
});

/** Images of registries, kept in the user's cache as its policy says. What is there is not asked for again. */
export class RegistryCache {
  readonly #cache: DownloadCache | undefined;
  /** No registry is asked for anything: what is not here is an error. */
  readonly isOffline: boolean;

  /** @param cache Absent where the policy keeps nothing. */
  constructor(cache: DownloadCache | undefined, {offline = false}: {offline?: boolean} = {}) {
    this.#cache = cache;
    this.isOffline = offline;
  }

  /**
   * Asks a registry which image a name is now, for one platform.
   *
   * @returns the digest of its manifest.
   * @throws PipelineError `REGISTRY_FAILED` when there is none, or none for that platform.
   */
  async resolve(name: string, platform: Platform, signal?: AbortSignal): Promise<string> {
    const reference = parse(name);
    await using registry = new RegistryClient({signal});
    await using shelf = await BlobShelf.open(this.#cache);
    const manifest = await registry.resolve(reference, platform);
    // A manifest that is no part of an index does not say what it is for; its configuration does.
    await this.#keepBlob(shelf, manifest, manifest.config, registry);
    await readConfig(shelf, manifest, platform);
    return manifest.digest;
  }

  /**
   * Brings an image into the cache.
   *
   * @returns an archive of it that any Docker engine loads, always with the same bytes; dispose of it.
   * @throws PipelineError `REGISTRY_FAILED`, or `IMAGE_UNAVAILABLE` when the cache is offline and does not have it.
   */
  async fetch(
    {name, digest}: PinnedImage,
    platform: Platform,
    options: FetchImageOptions = {},
  ): Promise<ImageArchive & AsyncDisposable> {
    const shelf = await BlobShelf.open(this.#cache);
    try {
      const archive = await this.#fetchOnto(shelf, {name, digest}, platform, options);
      return Object.assign(archive, {[Symbol.asyncDispose]: () => shelf[Symbol.asyncDispose]()});
    } catch (error) {
      await shelf[Symbol.asyncDispose]();
      throw error;
    }
  }

  async #fetchOnto(
    shelf: BlobShelf,
    {name, digest}: PinnedImage,
    platform: Platform,
    options: FetchImageOptions,
  ): Promise<ImageArchive> {
    const reference = parse(name);
    await using registry = new RegistryClient({signal: options.signal});
    const manifest = await this.#manifest(shelf, {...reference, digest}, platform, registry);
    const wanted = [manifest.config, ...manifest.layers];
    for (const [index, blob] of wanted.entries()) {
      options.signal?.throwIfAborted();
      options.onProgress?.(`fetching ${name}: ${index + 1} of ${wanted.length}`);
      await this.#keepBlob(shelf, manifest, blob, registry);
    }
    const {rootfs} = await readConfig(shelf, manifest, platform);
    if (rootfs.diff_ids.length !== manifest.layers.length) {
      throw damaged(reference, 'its manifest and its configuration have different numbers of layers');
    }
    for (const [index, layer] of manifest.layers.entries()) {
      try {
        await checkedLayer(reference, shelf.pathOf(layer.digest), layer, rootfs.diff_ids[index] ?? '');
      } catch (error) {
        await shelf.drop(layer.digest);
        throw error;
      }
    }
    await shelf.enter(name, manifest);
    return new ImageArchive(reference, manifest, ({digest: blob}) => shelf.pathOf(blob));
  }

  async #manifest(
    shelf: BlobShelf,
    reference: ImageReference & {readonly digest: string},
    platform: Platform,
    registry: RegistryClient,
  ): Promise<ImageManifest> {
    const path = await shelf.find(reference);
    if (path !== undefined) {
      const manifest = parseManifest(await readFile(path), reference);
      if (!isIndex(manifest)) return manifest;
    }
    if (this.isOffline) throw missingOffline(reference);
    const manifest = await registry.resolve(reference, platform);
    await shelf.add({digest: manifest.digest, sizeBytes: manifest.content.length}, [manifest.content]);
    return manifest;
  }

  async #keepBlob(
    shelf: BlobShelf,
    image: ImageManifest,
    blob: BlobDescriptor,
    registry: RegistryClient,
  ): Promise<void> {
    if ((await shelf.find(blob)) !== undefined) return;
    if (this.isOffline) throw missingOffline(image.reference);
    await shelf.add(blob, registry.openBlob(image, blob));
  }
}

async function readConfig(
  shelf: BlobShelf,
  {reference, config}: ImageManifest,
  platform: Platform,
): Promise<z.infer<typeof Config>> {
  const content = await readFile(shelf.pathOf(config.digest), 'utf8');
  const parsed = Config.safeParse(parseJson(content));
  if (!parsed.success) throw damaged(reference, 'its configuration is not that of a container image');
  const {os, architecture} = parsed.data;
  if (os === platform.os && architecture === platform.architecture) return parsed.data;
  throw new PipelineError(
    'REGISTRY_FAILED',
    `${formatImageReference(reference)} is for ${formatPlatform(parsed.data)}, not for ${formatPlatform(platform)}`,
  );
}

/** The configuration has been checked. */
function parse(name: string): ImageReference {
  const reference = parseImageReference(name);
  if (reference === undefined) throw new Error(`not the name of an image: ${name}`);
  return reference;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function missingOffline(reference: ImageReference): PipelineError {
  return new PipelineError(
    'IMAGE_UNAVAILABLE',
    `the build is offline, and ${formatImageReference(reference)} has not been fetched here before`,
    {hint: 'Build once with a network and the same lock: that fetches and keeps it.'},
  );
}

function damaged(reference: ImageReference, why: string): PipelineError {
  return new PipelineError('REGISTRY_FAILED', `${formatImageReference(reference)} is damaged: ${why}`);
}
