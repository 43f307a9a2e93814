import {mkdtemp, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import type {DownloadCache} from '../cache/download-cache.ts';
import {download} from '../download/download.ts';
import type {DownloadListener} from '../download/download-event.ts';
import type {ContentConfig} from './content-config.ts';
import {remoteSources} from './content-sources.ts';
import {sha256File} from '../archive/sha256-file.ts';
import type {PinnedSource} from './source-list.ts';

export interface FetchSourcesOptions {
  readonly cache: DownloadCache | undefined;
  readonly signal: AbortSignal;
  readonly onEvent: DownloadListener;
}

/**
 * Brings the files of a configuration from their servers into the cache, and finds out what they are.
 *
 * @param versions By name of a source; of an image it is the digest of its manifest.
 * @throws DownloadError
 */
export async function fetchSources(
  config: ContentConfig,
  versions: ReadonlyMap<string, string>,
  {cache, signal, onEvent}: FetchSourcesOptions,
): Promise<readonly PinnedSource[]> {
  const sources = remoteSources(config);
  const files = sources.flatMap((source) => (source.kind === 'file' ? [source] : []));
  const scratch = await mkdtemp(join(tmpdir(), 'hypriotkit-sources-'));
  try {
    const downloaded = await download(
      files.map(({request}) => request),
      {cache, scratch, signal, onEvent},
    );
    const pins: PinnedSource[] = [];
    for (const [index, one] of downloaded.entries()) {
      const {path, sha256, sizeBytes} = one;
      const name = files[index]?.name ?? '';
      pins.push({name, sha256: sha256 ?? (await sha256File(path)), sizeBytes});
      await one.release();
    }
    for (const source of sources) {
      if (source.kind === 'file') continue;
      const digest = versions.get(source.name) ?? '';
      pins.push({name: source.name, sha256: digest.replace('sha256:', ''), sizeBytes: 0});
    }
    return pins;
  } finally {
    await rm(scratch, {recursive: true, force: true});
  }
}
