import {availableParallelism} from 'node:os';
import type {DownloadCache} from '../cache/download-cache.ts';
import {isFull} from '../cache/record-file.ts';
import {PipelineError} from '../errors.ts';
import {Pool} from '../pool.ts';
import type {DownloadListener} from './download-event.ts';
import type {Downloaded, DownloadRequest} from './download-request.ts';
import {Downloader} from './downloader.ts';
import {StorageError} from './fetch-attempt.ts';
import {FetchError} from './fetch-file.ts';
import {Meter} from './meter.ts';
import {defaultPatience, type Patience} from './patience.ts';
import {Web, withoutSecrets} from './web.ts';

export {probe} from './probe.ts';

export interface DownloadOptions {
  /** Without one, nothing is kept beyond the scratch folder. */
  readonly cache?: DownloadCache | undefined;
  /** For what the cache does not keep. Must exist. A part that is in it is continued by a later run with the same folder. */
  readonly scratch: string;
  /** How many files at once; default and 0: as many as there are processors, at least 4. */
  readonly concurrency?: number | undefined;
  readonly patience?: Partial<Patience> | undefined;
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

  constructor(problems: readonly DownloadProblem[], cause?: unknown) {
    const [first, ...others] = problems;
    const more = others.length > 0 ? ` (and ${others.length} more)` : '';
    super('DOWNLOAD_FAILED', `${first?.message ?? 'nothing could be downloaded'}${more}`, {
      hint: first?.hint,
      cause,
    });
    this.problems = problems;
  }
}

/**
 * Downloads files, several at once, through the cache: what it has and the server still has too is not fetched again;
 * what an earlier run has left is continued. A file that fails does not stop the others.
 *
 * @returns the files in the order of the requests; release each.
 * @throws DownloadError `DOWNLOAD_FAILED` after all others are done, and the reason of the signal when it aborts.
 */
export async function download(
  requests: readonly DownloadRequest[],
  options: DownloadOptions,
): Promise<readonly Downloaded[]> {
  const {cache, scratch, onEvent: emit = () => undefined} = options;
  const {signal = new AbortController().signal} = options;
  const patience = {...defaultPatience, ...options.patience};
  checkRequests(requests);
  signal.throwIfAborted();
  const isStopped = (): boolean => signal.aborted;
  const meter = new Meter(new Map(requests.map(({id, sizeBytes}) => [id, sizeBytes])), emit);
  await using web = new Web(patience.stallMs);
  const downloader = new Downloader({web, cache, scratch, patience, meter, emit, signal});
  const pool = new Pool(options.concurrency || Math.max(4, availableParallelism()));
  const admitted = await cache?.admit(
    requests.map(({url, sizeBytes}) => ({kind: 'file', source: url, sizeBytes: sizeBytes ?? 0})),
  );
  const problems: (DownloadProblem | undefined)[] = [];
  const causes: unknown[] = [];
  const files = await Promise.all(
    requests.map((request, index) =>
      pool.run(async () => {
        if (isStopped()) return undefined;
        try {
          return await downloader.obtain(request, admitted?.[index] === true);
        } catch (error) {
          if (isStopped()) return undefined;
          const problem = problemOf(request, error);
          problems[index] = problem;
          causes.push(error);
          emit({type: 'download-failed', id: request.id, message: problem.message});
          return undefined;
        }
      }),
    ),
  );
  const obtained = files.filter((file) => file !== undefined);
  const failed = problems.filter((problem) => problem !== undefined);
  if (isStopped() || failed.length > 0) {
    for (const one of obtained) await one.keep();
    signal.throwIfAborted();
    throw new DownloadError(failed, causes[0]);
  }
  try {
    for (const {entry, reason} of (await cache?.prune()) ?? []) {
      const message = `the cache has dropped ${withoutSecrets(entry.source)} (${reason})`;
      emit({type: 'notice', level: 'info', message});
    }
  } catch (error) {
    // All files are there; what is too much goes another time.
    if (!(error instanceof PipelineError)) throw error;
    emit({type: 'notice', level: 'warning', message: error.message});
  }
  return obtained.map(({file}) => file);
}

/** @throws PipelineError `USAGE` for what no run could do. */
function checkRequests(requests: readonly DownloadRequest[]): void {
  const ids = new Set<string>();
  for (const {id, url, mirrors = []} of requests) {
    if (ids.has(id)) throw new PipelineError('USAGE', `two downloads are called ${id}`);
    ids.add(id);
    for (const [index, address] of [url, ...mirrors].entries()) {
      const protocol = URL.canParse(address) ? new URL(address).protocol : '';
      const isKnown = ['http:', 'https:'].includes(protocol) || (protocol === 'file:' && index === 0);
      if (isKnown) continue;
      throw new PipelineError('USAGE', `${address} is no address to download from`, {
        hint: 'It has to begin with https://, http:// or file://.',
      });
    }
  }
}

function problemOf({id, url}: DownloadRequest, error: unknown): DownloadProblem {
  if (error instanceof FetchError) return {id, url, message: error.message, hint: error.hint};
  if (error instanceof PipelineError) return {id, url, message: error.message, hint: error.hint};
  if (!(error instanceof StorageError)) throw error;
  return {
    id,
    url,
    message: `${withoutSecrets(url)} cannot be stored: ${error.message}`,
    hint: isFull(error)
      ? 'Make room: `hypriotkit cache prune`, or another folder with --cache-dir or --build-dir.'
      : undefined,
  };
}
