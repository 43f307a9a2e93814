import {createWriteStream} from 'node:fs';
import {mkdir, readFile, rename, rm, stat} from 'node:fs/promises';
import {homedir} from 'node:os';
import {join} from 'node:path';
import {pipeline} from 'node:stream/promises';
import {z} from 'zod';
import {PipelineError} from '../errors.ts';
import {checkedLayer, ImageArchive} from './image-archive.ts';
import {formatPlatform, type BlobDescriptor, type ImageManifest, type Platform} from './image-source.ts';
import {digestOf, isIndex, parseManifest} from './manifest.ts';
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

/**
 * Images of registries, kept blob by blob under their digests in the user's cache folder, which may be deleted at any
 * time. What is there is not asked for again; a blob is there when it is whole.
 */
export class RegistryCache {
  readonly #blobs: string;
  /** No registry is asked for anything: what is not here is an error. */
  readonly isOffline: boolean;

  constructor({folder = defaultFolder(), offline = false}: {folder?: string; offline?: boolean} = {}) {
    this.#blobs = join(folder, 'blobs', 'sha256');
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
    const manifest = await registry.resolve(reference, platform);
    await mkdir(this.#blobs, {recursive: true});
    // A manifest that is no part of an index does not say what it is for; its configuration does.
    await this.#keepBlob(manifest, manifest.config, registry);
    await this.#readConfig(manifest, platform);
    return manifest.digest;
  }

  /**
   * Brings an image into the cache.
   *
   * @returns an archive of it that any Docker engine loads, always with the same bytes.
   * @throws PipelineError `REGISTRY_FAILED`, or `IMAGE_UNAVAILABLE` when the cache is offline and does not have it.
   */
  async fetch(
    {name, digest}: PinnedImage,
    platform: Platform,
    options: FetchImageOptions = {},
  ): Promise<ImageArchive> {
    const reference = parse(name);
    await mkdir(this.#blobs, {recursive: true});
    await using registry = new RegistryClient({signal: options.signal});
    const manifest = await this.#manifest({...reference, digest}, platform, registry);
    const wanted = [manifest.config, ...manifest.layers];
    for (const [index, blob] of wanted.entries()) {
      options.signal?.throwIfAborted();
      options.onProgress?.(`fetching ${name}: ${index + 1} of ${wanted.length}`);
      await this.#keepBlob(manifest, blob, registry);
    }
    const {rootfs} = await this.#readConfig(manifest, platform);
    if (rootfs.diff_ids.length !== manifest.layers.length) {
      throw damaged(reference, 'its manifest and its configuration have different numbers of layers');
    }
    for (const [index, layer] of manifest.layers.entries()) {
      await checkedLayer(reference, this.#path(layer.digest), layer, rootfs.diff_ids[index] ?? '');
    }
    return new ImageArchive(reference, manifest, ({digest: blob}) => this.#path(blob));
  }

  async #manifest(
    reference: ImageReference & {readonly digest: string},
    platform: Platform,
    registry: RegistryClient,
  ): Promise<ImageManifest> {
    const path = this.#path(reference.digest);
    const known = await readBlob(path, reference.digest);
    if (known !== undefined) {
      const manifest = parseManifest(known, reference);
      if (!isIndex(manifest)) return manifest;
    }
    if (this.isOffline) throw missingOffline(reference);
    const manifest = await registry.resolve(reference, platform);
    await this.#write(manifest.digest, [manifest.content]);
    return manifest;
  }

  async #keepBlob(image: ImageManifest, blob: BlobDescriptor, registry: RegistryClient): Promise<void> {
    const found = await stat(this.#path(blob.digest)).catch(() => undefined);
    if (found?.size === blob.sizeBytes) return;
    if (this.isOffline) throw missingOffline(image.reference);
    await this.#write(blob.digest, registry.openBlob(image, blob));
  }

  async #write(digest: string, content: Iterable<Uint8Array> | AsyncIterable<Uint8Array>): Promise<void> {
    const path = this.#path(digest);
    // Two runs may fetch the same: what they write is the same.
    const temporary = `${path}.${process.pid}.partial`;
    try {
      await pipeline(content, createWriteStream(temporary));
      await rename(temporary, path);
    } finally {
      await rm(temporary, {force: true});
    }
  }

  async #readConfig({reference, config}: ImageManifest, platform: Platform): Promise<z.infer<typeof Config>> {
    const content = await readBlob(this.#path(config.digest), config.digest);
    const parsed = Config.safeParse(parseJson(content?.toString('utf8') ?? ''));
    if (!parsed.success) throw damaged(reference, 'its configuration is not that of a container image');
    const {os, architecture} = parsed.data;
    if (os === platform.os && architecture === platform.architecture) return parsed.data;
    throw new PipelineError(
      'REGISTRY_FAILED',
      `${formatImageReference(reference)} is for ${formatPlatform(parsed.data)}, not for ${formatPlatform(platform)}`,
    );
  }

  #path(digest: string): string {
    return join(this.#blobs, digest.slice('sha256:'.length));
  }
}

function defaultFolder(): string {
  return join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'hypriotkit', 'registry');
}

/** The configuration has been checked. */
function parse(name: string): ImageReference {
  const reference = parseImageReference(name);
  if (reference === undefined) throw new Error(`not the name of an image: ${name}`);
  return reference;
}

/** A small blob; undefined when it is not there, or not what its digest says. */
async function readBlob(path: string, digest: string): Promise<Buffer | undefined> {
  const content = await readFile(path).catch(() => undefined);
  if (content === undefined || digestOf(content) === digest) return content;
  await rm(path, {force: true});
  return undefined;
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
