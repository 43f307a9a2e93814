import {createHash} from 'node:crypto';
import {z} from 'zod';
import {PipelineError} from '../errors.ts';
import {formatPlatform, type BlobDescriptor, type ImageManifest, type Platform} from './image-source.ts';
import {formatImageReference, type ImageReference} from './reference.ts';

/** Kinds of manifests that are understood, in the order of preference. */
export const manifestTypes = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
] as const;

/** Registries refuse larger ones, too (distribution: 4 MiB). */
export const mostManifestBytes = 4 * 1024 * 1024;

const Descriptor = z.object({
  mediaType: z.string().default('application/octet-stream'),
  digest: z.string().regex(/^sha256:[0-9a-f]{64}$/),
  size: z.int().nonnegative(),
});

const Manifest = z.object({
  schemaVersion: z.literal(2),
  mediaType: z.string().optional(),
  config: Descriptor,
  layers: z.array(Descriptor).max(10_000),
});

const Index = z.object({
  schemaVersion: z.literal(2),
  mediaType: z.string().optional(),
  manifests: z
    .array(
      Descriptor.extend({
        platform: z
          .object({os: z.string(), architecture: z.string(), variant: z.string().optional()})
          .optional(),
        annotations: z.record(z.string(), z.string()).optional(),
      }),
    )
    .max(10_000),
});

/** An index: the same image for several platforms. */
export type ImageIndex = z.infer<typeof Index>;

/**
 * Reads a manifest or an index.
 *
 * @throws PipelineError `REGISTRY_FAILED`
 */
export function parseManifest(content: Buffer, reference: ImageReference): ImageManifest | ImageIndex {
  const value = parseJson(content, reference);
  const index = Index.safeParse(value);
  if (index.success) return index.data;
  const manifest = Manifest.safeParse(value);
  if (!manifest.success) {
    const why = z.prettifyError(manifest.error).replaceAll('\n', ' ').slice(0, 300);
    throw failed(`the manifest of ${formatImageReference(reference)} is not understood: ${why}`);
  }
  const {config, layers, mediaType} = manifest.data;
  return {
    reference,
    digest: digestOf(content),
    mediaType: mediaType ?? manifestTypes[2],
    content,
    config: toDescriptor(config),
    layers: layers.map(toDescriptor),
  };
}

export function isIndex(manifest: ImageManifest | ImageIndex): manifest is ImageIndex {
  return 'manifests' in manifest;
}

/**
 * The entry of an index for a platform. A variant that nobody asked for does not matter; one that was asked for must
 * be there, or be left open by the entry.
 *
 * @throws PipelineError `REGISTRY_FAILED` that names the platforms there are.
 */
export function choosePlatform(
  index: ImageIndex,
  platform: Platform,
  reference: ImageReference,
): BlobDescriptor {
  const fitting = index.manifests.filter(
    ({platform: offered}) =>
      offered?.os === platform.os &&
      offered.architecture === platform.architecture &&
      (platform.variant === undefined || (offered.variant ?? platform.variant) === platform.variant),
  );
  const [first] = fitting;
  // An index of one image may say nothing about platforms.
  const only = index.manifests.length === 1 && index.manifests[0]?.platform === undefined;
  const chosen = first ?? (only ? index.manifests[0] : undefined);
  if (chosen !== undefined) return toDescriptor(chosen);
  const offered = index.manifests
    .flatMap(({platform: other}) =>
      other === undefined || other.os === 'unknown' ? [] : [formatPlatform(other)],
    )
    .join(', ');
  throw failed(
    `${formatImageReference(reference)} does not exist for ${formatPlatform(platform)}`,
    `There is: ${offered || 'none that names its platform'}.`,
  );
}

/**
 * Passes a blob on and checks it: the last piece is kept back until digest and size were found right.
 *
 * @throws PipelineError `REGISTRY_FAILED`
 */
export async function* verified(
  stream: AsyncIterable<Uint8Array>,
  {digest, sizeBytes}: BlobDescriptor,
): AsyncGenerator<Uint8Array, void> {
  const hash = createHash('sha256');
  let received = 0;
  let held: Uint8Array | undefined;
  for await (const piece of stream) {
    received += piece.length;
    if (received > sizeBytes)
      throw failed(`${digest} has more than the ${sizeBytes} bytes that it should have`);
    hash.update(piece);
    if (held !== undefined) yield held;
    held = piece;
  }
  if (received < sizeBytes) throw failed(`${digest} ended after ${received} of ${sizeBytes} bytes`);
  const found = `sha256:${hash.digest('hex')}`;
  if (found !== digest) throw failed(`${digest} arrived with other content (${found})`);
  if (held !== undefined) yield held;
}

export function digestOf(content: Uint8Array): string {
  return `sha256:${createHash('sha256').update(content).digest('hex')}`;
}

function parseJson(content: Buffer, reference: ImageReference): unknown {
  try {
    return JSON.parse(content.toString('utf8'));
  } catch (error) {
    throw failed(`the manifest of ${formatImageReference(reference)} is not JSON`, undefined, error);
  }
}

function toDescriptor({mediaType, digest, size}: z.infer<typeof Descriptor>): BlobDescriptor {
  return {mediaType, digest, sizeBytes: size};
}

function failed(message: string, hint?: string, cause?: unknown): PipelineError {
  return new PipelineError('REGISTRY_FAILED', message, {hint, cause});
}
