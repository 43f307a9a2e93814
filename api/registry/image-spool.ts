import {createHash} from 'node:crypto';
import {createReadStream, createWriteStream} from 'node:fs';
import {mkdtemp, rename, rm, stat} from 'node:fs/promises';
import {join} from 'node:path';
import {Readable} from 'node:stream';
import {pipeline} from 'node:stream/promises';
import {z} from 'zod';
import {ArchiveError} from '../archive/archive-error.ts';
import {compressionOf, decompress} from '../archive/decompress.ts';
import {PipelineError} from '../errors.ts';
import {formatPlatform, type ImageSource, type Platform} from './image-source.ts';
import {digestOf} from './manifest.ts';
import {archiveName, formatImageReference, type ImageReference} from './reference.ts';

/** An image whose layers lie in a spool. */
export interface SpooledImage {
  readonly reference: ImageReference;
  /** The name it has in an archive; undefined for one that is named by its digest alone. */
  readonly name: string | undefined;
  /** Digest of the manifest where a registry or a layout has told it. */
  readonly manifestDigest?: string | undefined;
  /** Digest of `config`: the id of the image. */
  readonly id: string;
  readonly config: Buffer;
  readonly platform: Platform;
  /** Digests of the uncompressed layers, from the lowest to the topmost. */
  readonly layers: readonly string[];
}

const Config = z.object({
  architecture: z.string(),
  os: z.string(),
  variant: z.string().optional(),
  rootfs: z.object({
    type: z.literal('layers'),
    diff_ids: z.array(z.string().regex(/^sha256:[0-9a-f]{64}$/)).max(10_000),
  }),
});

const mostConfigBytes = 16 * 1024 * 1024;

/** A folder of uncompressed layers, each once, named by their digest; removed when disposed of. */
export class ImageSpool implements AsyncDisposable {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /** @param parent A folder with room for all layers. */
  static async create(parent: string): Promise<ImageSpool> {
    return new ImageSpool(await mkdtemp(join(parent, '.layers-')));
  }

  /** Fetches an image from a registry or a layout. */
  async fetch(source: ImageSource, reference: ImageReference, platform: Platform): Promise<SpooledImage> {
    const manifest = await source.resolve(reference, platform);
    if (manifest.config.sizeBytes > mostConfigBytes)
      throw damaged(reference, 'its configuration is too large');
    const pieces: Uint8Array[] = [];
    for await (const piece of source.openBlob(manifest, manifest.config)) pieces.push(piece);
    const image = this.describe(reference, Buffer.concat(pieces), manifest.digest);
    if (image.platform.os !== platform.os || image.platform.architecture !== platform.architecture) {
      throw new PipelineError(
        'REGISTRY_FAILED',
        `${formatImageReference(reference)} is for ${formatPlatform(image.platform)}, not for ${formatPlatform(platform)}`,
      );
    }
    if (image.layers.length !== manifest.layers.length) {
      throw damaged(reference, 'its manifest and its configuration have different numbers of layers');
    }
    for (const [index, layer] of manifest.layers.entries()) {
      const diffId = image.layers[index] ?? '';
      if (await this.has(diffId)) continue;
      await this.add(reference, diffId, source.openBlob(manifest, layer));
    }
    return image;
  }

  /** Reads the configuration of an image. */
  describe(reference: ImageReference, config: Buffer, manifestDigest?: string): SpooledImage {
    const parsed = Config.safeParse(parseJson(config));
    if (!parsed.success) throw damaged(reference, 'its configuration is not that of a container image');
    const {os, architecture, variant, rootfs} = parsed.data;
    return {
      reference,
      name: archiveName(reference),
      manifestDigest,
      id: digestOf(config),
      config,
      platform: {os, architecture, variant},
      layers: rootfs.diff_ids,
    };
  }

  /** Whether a layer is there already. */
  async has(diffId: string): Promise<boolean> {
    return stat(this.#path(diffId)).then(
      () => true,
      () => false,
    );
  }

  /** Stores a layer, compressed or not, after it was found to be the one of that digest. */
  async add(reference: ImageReference, diffId: string, content: AsyncIterable<Uint8Array>): Promise<void> {
    const incoming = join(this.#folder, 'incoming');
    const hash = createHash('sha256');
    try {
      await pipeline(
        unpacked(content),
        async function* (pieces: AsyncIterable<Uint8Array>) {
          for await (const piece of pieces) {
            hash.update(piece);
            yield piece;
          }
        },
        createWriteStream(incoming),
      );
    } catch (error) {
      if (error instanceof ArchiveError) throw damaged(reference, `in a layer, ${error.message}`, error);
      throw error;
    }
    const found = `sha256:${hash.digest('hex')}`;
    if (found !== diffId) throw damaged(reference, `the layer ${diffId} unpacks to other content (${found})`);
    await rename(incoming, this.#path(diffId));
  }

  async sizeOf(diffId: string): Promise<number> {
    return (await stat(this.#path(diffId))).size;
  }

  open(diffId: string): Readable {
    return createReadStream(this.#path(diffId), {highWaterMark: 512 * 1024});
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#folder, {recursive: true, force: true});
  }

  #path(diffId: string): string {
    return join(this.#folder, diffId.slice('sha256:'.length));
  }
}

/** Layers say by their first bytes how they are compressed; what a manifest says about it is often wrong. */
export async function* unpacked(content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void> {
  const pieces = content[Symbol.asyncIterator]();
  const first = await pieces.next();
  if (first.done === true) return;
  const head = Buffer.from(first.value.buffer, first.value.byteOffset, first.value.byteLength);
  const rest = async function* () {
    yield head;
    for (let next = await pieces.next(); next.done !== true; next = await pieces.next()) yield next.value;
  };
  const compression = compressionOf(head);
  if (compression === 'none') yield* rest();
  else yield* decompress(Readable.from(rest(), {objectMode: false}), compression);
}

function parseJson(content: Buffer): unknown {
  try {
    return JSON.parse(content.toString('utf8'));
  } catch {
    return undefined;
  }
}

function damaged(reference: ImageReference, why: string, cause?: unknown): PipelineError {
  return new PipelineError('REGISTRY_FAILED', `${formatImageReference(reference)} is damaged: ${why}`, {
    cause,
  });
}
