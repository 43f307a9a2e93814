import {createHash} from 'node:crypto';
import {createReadStream} from 'node:fs';
import {rm} from 'node:fs/promises';
import {ArchiveError} from '../archive/archive-error.ts';
import {endOfTar, formatTarHeader, zerosAfter} from '../archive/tar-format.ts';
import {PipelineError} from '../errors.ts';
import type {BlobDescriptor, ImageManifest} from './image-source.ts';
import {unpacked} from './image-spool.ts';
import {verified} from './manifest.ts';
import {archiveName, formatImageReference, type ImageReference} from './reference.ts';

/**
 * An image as one archive for `docker load`, with its layers as they came from the registry, compressed: engines look at
 * their first bytes. The bytes follow from the digest of the manifest and the name.
 */
export class ImageArchive {
  readonly #parts: readonly (readonly [
    header: Buffer,
    content: () => AsyncIterable<Uint8Array>,
    size: number,
  ])[];

  /** @param pathOf Where a blob of the image lies. */
  constructor(
    reference: ImageReference,
    {config, layers}: ImageManifest,
    pathOf: (blob: BlobDescriptor) => string,
  ) {
    const blobs = new Map([config, ...layers].map((blob) => [blob.digest, blob]));
    const manifest = Buffer.from(
      JSON.stringify([
        {
          Config: memberName(config),
          RepoTags: [loadedName(reference)],
          Layers: layers.map(memberName),
        },
      ]),
    );
    this.#parts = [
      ...[...blobs.values()].map((blob) => {
        const open = () => verified(createReadStream(pathOf(blob), {highWaterMark: 1024 ** 2}), blob);
        return part(memberName(blob), blob.sizeBytes, open);
      }),
      part('manifest.json', manifest.length, () => once(manifest)),
    ];
  }

  get sizeBytes(): number {
    return this.#parts.reduce(
      (sum, [header, , size]) => sum + header.length + size + zerosAfter(size).length,
      endOfTar.length,
    );
  }

  /** @throws PipelineError `REGISTRY_FAILED` when a blob has changed meanwhile. */
  async *open(): AsyncGenerator<Uint8Array, void> {
    for (const [header, content, size] of this.#parts) {
      yield header;
      yield* content();
      yield zerosAfter(size);
    }
    yield endOfTar;
  }
}

/**
 * The name by which an engine knows the image when it has loaded it. Engines know nothing but tags then, so an image
 * that is named by its digest alone gets a tag that says it.
 */
export function loadedName(reference: ImageReference): string {
  return (
    archiveName(reference) ??
    `${reference.registry}/${reference.repository}:${(reference.digest ?? '').replace(':', '-')}`
  );
}

/**
 * Makes sure that a layer unpacks to what the configuration of its image says: engines refuse it otherwise, but on the
 * board.
 *
 * @throws PipelineError `REGISTRY_FAILED`; a file that is not what its digest says has been removed then.
 */
export async function checkedLayer(
  reference: ImageReference,
  path: string,
  layer: BlobDescriptor,
  diffId: string,
): Promise<void> {
  const hash = createHash('sha256');
  try {
    const content = verified(createReadStream(path, {highWaterMark: 1024 ** 2}), layer);
    for await (const piece of unpacked(content)) hash.update(piece);
  } catch (error) {
    await rm(path, {force: true});
    if (error instanceof ArchiveError) throw damaged(reference, `in a layer, ${error.message}`, error);
    throw error;
  }
  const found = `sha256:${hash.digest('hex')}`;
  if (found !== diffId) throw damaged(reference, `the layer ${diffId} unpacks to other content (${found})`);
}

function part(path: string, sizeBytes: number, content: () => AsyncIterable<Uint8Array>) {
  return [formatTarHeader({path, type: 'file', sizeBytes}), content, sizeBytes] as const;
}

async function* once(content: Buffer): AsyncGenerator<Uint8Array, void> {
  yield await Promise.resolve(content);
}

function memberName({digest}: BlobDescriptor): string {
  return `blobs/${digest.replace(':', '/')}`;
}

function damaged(reference: ImageReference, why: string, cause?: unknown): PipelineError {
  return new PipelineError('REGISTRY_FAILED', `${formatImageReference(reference)} is damaged: ${why}`, {
    cause,
  });
}
