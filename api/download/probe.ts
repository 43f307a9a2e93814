import {stat} from 'node:fs/promises';
import {fileURLToPath} from 'node:url';
import type {CacheEntry} from '../cache/cache-entry.ts';
import {Pool} from '../pool.ts';
import {lengthOf, rangeOf} from './answer-facts.ts';
import type {DownloadOptions} from './download.ts';
import type {Checksum, DownloadRequest, Probe} from './download-request.ts';
import {FetchError, reasonOf} from './fetch-file.ts';
import {defaultPatience} from './patience.ts';
import {resolveSource} from './resolve-source.ts';
import {Web, withoutSecrets, type Answer} from './web.ts';

type ProbeRequest = Pick<DownloadRequest, 'id' | 'url' | 'mirrors' | 'sizeBytes' | 'checksum'>;

/**
 * Asks about addresses; nothing is downloaded or written. Each is asked, also when its size is declared: a declared size
 * says nothing about whether the file is there. An address that cannot be reached is a result, not an error.
 */
export async function probe(
  requests: readonly ProbeRequest[],
  options: Omit<DownloadOptions, 'scratch' | 'onEvent'> = {},
): Promise<readonly Probe[]> {
  const {cache, signal = new AbortController().signal} = options;
  const patience = {...defaultPatience, ...options.patience};
  await using web = new Web(patience.stallMs);
  const pool = new Pool(options.concurrency || 8);
  return await Promise.all(
    requests.map((request) =>
      pool.run(async (): Promise<Probe> => {
        const {id, url} = request;
        const entry = await cache?.find({kind: 'file', source: url});
        if (entry !== undefined && cache?.isFresh(entry) === true) {
          return {id, url, isReachable: true, sizeBytes: entry.sizeBytes, isCached: true, problem: undefined};
        }
        // What the checksum names needs no server to say that it still is the same.
        if (entry !== undefined && isOf(entry, request.checksum))
          return {id, url, isReachable: true, sizeBytes: entry.sizeBytes, isCached: true, problem: undefined};
        try {
          const sizeBytes = url.startsWith('file:')
            ? await sizeOfFile(fileURLToPath(url))
            : await askSize(request, web, signal);
          const isCached = entry !== undefined && [undefined, entry.sizeBytes].includes(sizeBytes);
          return {id, url, isReachable: true, sizeBytes, isCached, problem: undefined};
        } catch (error) {
          signal.throwIfAborted();
          const problem =
            error instanceof FetchError ? error.message : `${withoutSecrets(url)}: ${reasonOf(error)}`;
          return {
            id,
            url,
            isReachable: false,
            sizeBytes: entry?.sizeBytes,
            isCached: entry !== undefined,
            problem,
          };
        }
      }),
    ),
  );
}

function isOf({blobs}: CacheEntry, checksum: Checksum | undefined): boolean {
  return (
    checksum?.algorithm === 'sha-256' &&
    checksum.kind === 'digest' &&
    checksum.value.toLowerCase() === blobs[0]?.sha256
  );
}

async function sizeOfFile(path: string): Promise<number> {
  const stats = await stat(path).catch(() => undefined);
  if (stats?.isFile() === true) return stats.size;
  throw new FetchError(`there is no file ${path}`, {isRefused: true});
}

/** Undefined when the server does not say. */
async function askSize(request: ProbeRequest, web: Web, signal: AbortSignal): Promise<number | undefined> {
  const {addresses, sizeBytes} = await resolveSource(request, undefined, web, signal);
  let failure: unknown;
  for (const address of addresses) {
    try {
      return lengthOfWhole(await askAddress(address, web, signal)) ?? sizeBytes;
    } catch (error) {
      signal.throwIfAborted();
      failure ??= error;
    }
  }
  throw failure;
}

/**
 * What a server says about an address, without its content.
 *
 * @throws FetchError when it says that there is nothing.
 */
export async function askAddress(url: string, web: Web, signal: AbortSignal): Promise<Answer> {
  const head = await web.ask(url, {method: 'HEAD', signal});
  head.discard();
  if (head.status === 200) return head;
  // Some servers know no HEAD, and some sign addresses for GET alone: its first byte tells as much.
  const answer = await web.ask(url, {signal, headers: {range: 'bytes=0-0'}});
  answer.discard();
  if (answer.status === 206 || answer.status === 200) return answer;
  throw statusError(url, answer);
}

/** Of the whole file, also where only a part was asked for. */
export function lengthOfWhole(answer: Answer): number | undefined {
  return answer.status === 206 ? rangeOf(answer)?.total : lengthOf(answer);
}

function statusError(url: string, {status}: Answer): FetchError {
  return new FetchError(`${withoutSecrets(url)}: the server answers ${status}`, {isRefused: status < 500});
}
