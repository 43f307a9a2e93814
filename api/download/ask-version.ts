import type {DownloadCache} from '../cache/download-cache.ts';
import type {Validator} from '../cache/cache-entry.ts';
import {validatorOf} from './answer-facts.ts';
import type {DownloadRequest} from './download-request.ts';
import {FetchError, reasonOf} from './fetch-file.ts';
import {defaultPatience} from './patience.ts';
import {askAddress, lengthOfWhole} from './probe.ts';
import {resolveChecksum, resolveSource} from './resolve-source.ts';
import {Web, withoutSecrets} from './web.ts';

/**
 * Which version of a file there is now: its checksum where one is declared or published in a metalink, else what the
 * server says. Nothing is downloaded, and no server is asked for what the cache still holds to be the same.
 *
 * @returns undefined when the server says nothing by which a change could be noticed.
 * @throws FetchError when the file cannot be had.
 */
export async function askVersion(
  request: Pick<DownloadRequest, 'url' | 'mirrors' | 'checksum'>,
  {cache, signal}: {readonly cache?: DownloadCache | undefined; readonly signal: AbortSignal},
): Promise<string | undefined> {
  const {url} = request;
  await using web = new Web(defaultPatience.stallMs);
  try {
    const declared = request.checksum && (await resolveChecksum(request.checksum, web, signal));
    if (declared !== undefined) return `${declared.algorithm} ${declared.value}`;
    const entry = await cache?.find({kind: 'file', source: url});
    if (entry !== undefined && cache?.isFresh(entry) === true)
      return describe(entry.validator, entry.sizeBytes);
    const {addresses, checksums} = await resolveSource(request, undefined, web, signal);
    const [published] = checksums;
    if (published !== undefined) return `${published.algorithm} ${published.value}`;
    let failure: unknown;
    for (const address of addresses) {
      try {
        const answer = await askAddress(address, web, signal);
        return describe(validatorOf(answer), lengthOfWhole(answer));
      } catch (error) {
        signal.throwIfAborted();
        failure ??= error;
      }
    }
    throw failure;
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof FetchError) throw error;
    throw new FetchError(`${withoutSecrets(url)}: ${reasonOf(error)}`, {cause: error, isRefused: false});
  }
}

function describe({etag, lastModified}: Validator, sizeBytes: number | undefined): string | undefined {
  if (etag !== undefined) return `etag ${etag}`;
  return lastModified === undefined ? undefined : `${lastModified}, ${sizeBytes ?? 'unknown'} bytes`;
}
