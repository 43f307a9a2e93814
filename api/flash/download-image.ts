import {mkdtemp, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {openCache} from '../cache/download-cache.ts';
import type {DownloadEvent} from '../download/download-event.ts';
import type {Checksum} from '../download/download-request.ts';
import {download} from '../download/download.ts';
import {findPublishedSum} from '../download/published-sum.ts';
import type {FlashListener} from './flash-event.ts';

interface DownloadOptions {
  readonly progress: (doneBytes: number, totalBytes?: number) => void;
  readonly emit: FlashListener;
  readonly signal: AbortSignal;
}

/** An image that was fetched; read-only, and there until it is released. */
export interface DownloadedImage {
  readonly path: string;
  readonly release: () => Promise<void>;
}

/**
 * Downloads an image through the user's cache, and compares it with the `.sha256` that many servers have beside it.
 *
 * @throws PipelineError `DOWNLOAD_FAILED`; ConfigError when the policy of the cache cannot be used.
 */
export async function downloadImage(url: string, options: DownloadOptions): Promise<DownloadedImage> {
  const {signal, emit, progress} = options;
  const cache = await openCache();
  // Where the cache keeps nothing.
  const scratch = await mkdtemp(join(tmpdir(), 'hypriotkit-download-'));
  const clear = () => rm(scratch, {recursive: true, force: true});
  try {
    const value = await findPublishedSum(url, signal);
    const checksum: Checksum | undefined =
      value === undefined ? undefined : {algorithm: 'sha-256', value, kind: 'digest'};
    const [file] = await download([{id: 'image', url, checksum}], {
      cache,
      scratch,
      signal,
      onEvent: (event) => forward(event, progress, emit),
    });
    if (file === undefined) throw new Error('a download without a file');
    const release = async () => {
      await file.release();
      await clear();
    };
    return {path: file.path, release};
  } catch (error) {
    await clear();
    throw error;
  }
}

function forward(event: DownloadEvent, progress: DownloadOptions['progress'], emit: FlashListener): void {
  if (event.type === 'download-progress') progress(event.doneBytes, event.totalBytes);
  else if (event.type === 'notice') emit(event);
  else if (event.type === 'download-retried') {
    const message = `${event.reason}: trying again in ${(event.waitMs / 1000).toFixed(1)} s`;
    emit({type: 'notice', level: 'info', message});
  }
}
