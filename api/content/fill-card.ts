import {rm} from 'node:fs/promises';
import {join} from 'node:path';
import {writeDigest} from '../archive/write-digest.ts';
import type {DownloadCache} from '../cache/download-cache.ts';
import {PipelineError} from '../errors.ts';
import {RegistryClient} from '../registry/registry-client.ts';
import {cachedImages} from './cached-images.ts';
import type {ContentConfig} from './content-config.ts';
import type {ContentListener} from './content-event.ts';
import {runContent} from './content-run.ts';
import {pinConfig, remoteSources} from './content-sources.ts';
import {E2fs} from './e2fs.ts';
import {packImage} from './pack-image.ts';
import type {PinnedSource} from './source-list.ts';

export interface FillCardRequest {
  readonly config: ContentConfig;
  /** What its sources have to be. */
  readonly sources: readonly PinnedSource[];
  /** The image of the card, unpacked. */
  readonly card: string;
  /** Where the outputs go, and room for what is needed meanwhile. */
  readonly folder: string;
  /** Name of the packed image. */
  readonly artifact: string;
  readonly cache: DownloadCache | undefined;
  /** No server is asked for anything: what the cache does not have is an error. */
  readonly isOffline: boolean;
  /** Dates everything that is put onto the card, seconds since 1970. */
  readonly epoch: number;
  readonly signal: AbortSignal;
  readonly onEvent: ContentListener;
  /** Called while the image is packed, with a part from 0 to 1. */
  readonly onPacking: (part: number) => void;
}

/**
 * Fills the image of a card, and packs it. The same request gives the same bytes.
 *
 * @returns names of the files that are now in the folder.
 * @throws PipelineError as `createContentImage` does; `SOURCE_MISSING`, `IMAGE_UNAVAILABLE` for what an offline run lacks.
 */
export async function fillCard(request: FillCardRequest): Promise<readonly string[]> {
  const {sources, card, folder, artifact, cache, isOffline, epoch: now, signal, onEvent} = request;
  await E2fs.require();
  const config = pinConfig(request.config, sources);
  if (isOffline) await requireCached(config, cache);
  const output = join(folder, artifact.replace(/\.zst$/, ''));
  await using client = new RegistryClient({signal});
  const registry = cachedImages(isOffline ? undefined : client, cache);
  const buildBase = () => Promise.resolve(card);
  const result = await runContent(config, {
    output,
    buildDir: folder,
    cache,
    registry,
    signal,
    now,
    buildBase,
    onEvent,
  });
  await packImage(output, join(folder, artifact), {
    signal,
    onProgress: (bytes) => request.onPacking(bytes / result.imageBytes),
  });
  await rm(output);
  return await writeDigest(folder, artifact);
}

async function requireCached(config: ContentConfig, cache: DownloadCache | undefined): Promise<void> {
  for (const source of remoteSources(config)) {
    if (source.kind === 'image') continue;
    const {url, checksum} = source.request;
    const entry = await cache?.find({kind: 'file', source: url});
    if (entry !== undefined && (checksum === undefined || entry.blobs[0]?.sha256 === checksum.value))
      continue;
    throw new PipelineError(
      'SOURCE_MISSING',
      `the build is offline, and the cache does not have ${source.name}`,
      {
        hint: 'Build once with a network and the same lock: that fetches and keeps it, if policy.yaml of the cache does.',
      },
    );
  }
}
