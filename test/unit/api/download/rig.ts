import {createHash} from 'node:crypto';
import {mkdir} from 'node:fs/promises';
import {join} from 'node:path';
import {openCache, type DownloadCache} from '../../../../api/cache/download-cache.ts';
import type {CachePolicy} from '../../../../api/cache/policy.ts';
import {parsePolicy} from '../../../../api/cache/policy-file.ts';
import type {DownloadEvent} from '../../../../api/download/download-event.ts';
import type {Downloaded, DownloadRequest} from '../../../../api/download/download-request.ts';
import {download, type DownloadOptions} from '../../../../api/download/download.ts';
import {makeTempFolder} from '../temp-folder.ts';

/** Bytes that are never the same twice in a file. */
export function noise(length: number, seed = 'noise'): Buffer {
  const content = Buffer.alloc(length);
  for (let at = 0; at < length; at += 32) {
    createHash('sha256').update(`${seed} ${at}`).digest().copy(content, at);
  }
  return content;
}

export const sha256 = (content: Uint8Array): string => createHash('sha256').update(content).digest('hex');

/** Failures are not waited for. */
export const impatience = {stallMs: 2000, firstPauseMs: 1, mostPauseMs: 5, mostWaitMs: 3000};

export interface Rig {
  readonly folder: string;
  readonly scratch: string;
  readonly cache: DownloadCache;
  readonly events: DownloadEvent[];
  /** Several files, through the cache. */
  readonly all: (
    requests: readonly DownloadRequest[],
    options?: Partial<DownloadOptions>,
  ) => Promise<readonly Downloaded[]>;
  /** One file, through the cache. */
  readonly one: (url: string, more?: Partial<DownloadRequest>) => Promise<Downloaded>;
  readonly warnings: () => string[];
}

/** A cache in a folder of its own, and downloads through it. */
export async function makeRig({
  policy,
  now,
}: {policy?: CachePolicy | string; now?: () => Date} = {}): Promise<Rig> {
  const folder = await makeTempFolder();
  const scratch = join(folder, 'scratch');
  await mkdir(scratch);
  const parsed = typeof policy === 'string' ? parsePolicy('/policy.yaml', policy) : policy;
  const cache = await openCache({folder: join(folder, 'cache'), policy: parsed, now});
  if (cache === undefined) throw new Error('the policy of the test keeps nothing');
  const events: DownloadEvent[] = [];
  const all: Rig['all'] = (requests, options) =>
    download(requests, {
      cache,
      scratch,
      patience: impatience,
      onEvent: (event) => events.push(event),
      ...options,
    });
  return {
    folder,
    scratch,
    cache,
    events,
    all,
    one: async (url, more) => {
      const [file] = await all([{id: 'it', url, ...more}]);
      if (file === undefined) throw new Error('no file');
      return file;
    },
    warnings: () =>
      events.flatMap((event) =>
        event.type === 'notice' && event.level === 'warning' ? [event.message] : [],
      ),
  };
}
