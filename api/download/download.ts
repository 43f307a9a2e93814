import type {DownloadCache} from '../cache/download-cache.ts';
import {PipelineError} from '../errors.ts';
import type {DownloadListener} from './download-event.ts';
import type {Downloaded, DownloadRequest, Probe} from './download-request.ts';

export interface DownloadOptions {
  /** Without one, nothing is kept beyond the scratch folder. */
  readonly cache?: DownloadCache | undefined;
  /** For what the cache does not keep. Must exist. A part that is in it is continued by a later run with the same folder. */
  readonly scratch: string;
  /** How many files at once; default 4. */
  readonly concurrency?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onEvent?: DownloadListener | undefined;
}

/** One file that could not be had. */
export interface DownloadProblem {
  readonly id: string;
  readonly url: string;
  readonly message: string;
  readonly hint: string | undefined;
}

/** Files that could not be downloaded. The others of the run are in the cache. */
export class DownloadError extends PipelineError {
  override readonly name: string = 'DownloadError';
  /** In the order of the requests. */
  readonly problems: readonly DownloadProblem[];

  constructor(problems: readonly DownloadProblem[]) {
    const [first] = problems;
    const more = problems.length > 1 ? ` (and ${problems.length - 1} more)` : '';
    super('DOWNLOAD_FAILED', `${first?.message ?? 'nothing could be downloaded'}${more}`, {
      hint: first?.hint,
    });
    this.problems = problems;
  }
}

/**
 * Downloads files, several at once, through the cache: what it has and the server still has too is not fetched again;
 * what an earlier run has left is continued. A file that fails does not stop the others.
 *
 * @returns the files in the order of the requests; release each.
 * @throws DownloadError `DOWNLOAD_FAILED` after all others are done.
 */
export function download(
  _requests: readonly DownloadRequest[],
  _options: DownloadOptions,
): Promise<readonly Downloaded[]> {
  return Promise.reject(new Error('not there yet'));
}

/** Asks about addresses; nothing is downloaded or written. An address that cannot be reached is a result, not an error. */
export function probe(
  _requests: readonly Pick<DownloadRequest, 'id' | 'url' | 'mirrors' | 'sizeBytes'>[],
  _options: Omit<DownloadOptions, 'scratch' | 'onEvent'> = {},
): Promise<readonly Probe[]> {
  return Promise.reject(new Error('not there yet'));
}
