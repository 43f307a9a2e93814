import {FetchError} from './fetch-file.ts';
import {defaultPatience} from './patience.ts';
import {resolveChecksum} from './resolve-source.ts';
import {Web} from './web.ts';

/**
 * The SHA-256 that a server has in a `.sha256` beside a file, as many do.
 *
 * @returns undefined when there is none; also when the server cannot be asked, which the download then says.
 */
export async function findPublishedSum(url: string, signal: AbortSignal): Promise<string | undefined> {
  const beside = new URL(url);
  beside.pathname += '.sha256';
  await using web = new Web(defaultPatience.stallMs);
  try {
    const {value} = await resolveChecksum(
      {algorithm: 'sha-256', value: beside.href, kind: 'url'},
      web,
      signal,
    );
    return value;
  } catch (error) {
    if (error instanceof FetchError) return undefined;
    throw error;
  }
}
