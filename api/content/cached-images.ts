import type {DownloadCache} from '../cache/download-cache.ts';
import {readFile} from 'node:fs/promises';
import {formatImageReference} from '../registry/reference.ts';
import type {ImageManifest, ImageSource, Platform} from '../registry/image-source.ts';
import {isIndex, parseManifest} from '../registry/manifest.ts';
import type {ImageReference} from '../registry/reference.ts';
import {PipelineError} from '../errors.ts';

/**
 * A registry that is not asked for the manifest of an image that is named by its digest, where the cache has it.
 *
 * @param registry Absent: what the cache does not have is an error.
 */
export function cachedImages(
  registry: ImageSource | undefined,
  cache: DownloadCache | undefined,
): ImageSource {
  return {
    resolve: async (reference, platform) =>
      (await findManifest(reference, cache)) ?? (await resolve(reference, platform, registry)),
    openBlob: (image, blob) => {
      if (registry === undefined) throw missing(image.reference);
      return registry.openBlob(image, blob);
    },
  };
}

function resolve(
  reference: ImageReference,
  platform: Platform,
  registry: ImageSource | undefined,
): Promise<ImageManifest> {
  if (registry === undefined) throw missing(reference);
  return registry.resolve(reference, platform);
}

async function findManifest(
  reference: ImageReference,
  cache: DownloadCache | undefined,
): Promise<ImageManifest | undefined> {
  const sha256 = reference.digest?.replace('sha256:', '');
  const lease = sha256 === undefined ? undefined : await cache?.useBlob(sha256);
  if (lease === undefined) return undefined;
  try {
    const manifest = parseManifest(await readFile(lease.path), reference);
    return isIndex(manifest) ? undefined : manifest;
  } finally {
    await lease.release();
  }
}

function missing(reference: ImageReference): PipelineError {
  return new PipelineError(
    'IMAGE_UNAVAILABLE',
    `the build is offline, and the cache does not have ${formatImageReference(reference)}`,
    {
      hint: 'Build once with a network and the same lock: that fetches and keeps it, if policy.yaml of the cache does.',
    },
  );
}
