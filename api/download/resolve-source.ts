import {checksumAlgorithms, type Checksum, type DownloadRequest} from './download-request.ts';
import {digestLength, isDigest} from './checksum.ts';
import {FetchError, reasonOf} from './fetch-file.ts';
import {isMetalinkUrl, MetalinkError, mostMetalinkBytes, parseMetalink} from './metalink.ts';
import {RefusedError, withoutSecrets, type Answer, type Web} from './web.ts';

/** Where a file comes from and what it has to be, after metalinks and published checksums have been read. */
export interface Source {
  /** The best first; never empty. */
  readonly addresses: readonly string[];
  /** Each `kind` is `digest`. */
  readonly checksums: readonly Checksum[];
  readonly sizeBytes: number | undefined;
}

/** As the reference reads no more either. */
const mostChecksumBytes = 2048;

/**
 * Reads what stands for the file: its metalink.
 *
 * @throws FetchError
 */
export async function resolveSource(
  {url, mirrors = [], sizeBytes}: Pick<DownloadRequest, 'url' | 'mirrors' | 'sizeBytes'>,
  checksum: Checksum | undefined,
  web: Web,
  signal: AbortSignal,
): Promise<Source> {
  const declared = checksum === undefined ? [] : [checksum];
  if (!isMetalinkUrl(url)) return {addresses: [url, ...mirrors], checksums: declared, sizeBytes};
  const text = await readText(web, url, {mostBytes: mostMetalinkBytes, what: 'the metalink', signal});
  try {
    const metalink = parseMetalink(text);
    return {
      addresses: [...metalink.urls, ...mirrors],
      checksums: [...declared, ...(metalink.checksum === undefined ? [] : [metalink.checksum])],
      sizeBytes: sizeBytes ?? metalink.sizeBytes,
    };
  } catch (error) {
    if (!(error instanceof MetalinkError)) throw error;
    throw new FetchError(`the metalink ${withoutSecrets(url)} cannot be used: ${error.message}`, {
      cause: error,
      isRefused: true,
    });
  }
}

/**
 * The digest that a checksum asks for, from its address where it is published there.
 *
 * @throws FetchError when it cannot be had, or is none of its kind.
 */
export async function resolveChecksum(
  {algorithm, value, kind}: Checksum,
  web: Web,
  signal: AbortSignal,
): Promise<Checksum> {
  if (!checksumAlgorithms.includes(algorithm)) {
    throw new FetchError(`there is no checksum ${algorithm as string}`, {
      hint: `There are ${checksumAlgorithms.join(', ')}.`,
      isRefused: true,
    });
  }
  const text =
    kind === 'digest'
      ? value.trim()
      : (await readText(web, value, {mostBytes: mostChecksumBytes, what: 'the checksum', signal}))
          .trim()
          .split(/\s+/)[0];
  if (text !== undefined && isDigest(algorithm, text)) {
    return {algorithm, value: text.toLowerCase(), kind: 'digest'};
  }
  const where = kind === 'url' ? ` at ${withoutSecrets(value)}` : '';
  throw new FetchError(
    `the ${algorithm}${where} is not one: it should be ${digestLength[algorithm]} hex digits`,
    {
      isRefused: true,
    },
  );
}

interface ReadOptions {
  readonly mostBytes: number;
  /** For messages. */
  readonly what: string;
  readonly signal: AbortSignal;
}

/** Reads a small text. */
async function readText(web: Web, url: string, {mostBytes, what, signal}: ReadOptions): Promise<string> {
  const failed = (why: string, isRefused: boolean, cause?: unknown) =>
    new FetchError(`${what} ${withoutSecrets(url)} cannot be read: ${why}`, {cause, isRefused});
  let answer: Answer | undefined;
  try {
    answer = await web.ask(url, {signal});
    if (answer.status !== 200) throw failed(`the server answers ${answer.status}`, answer.status < 500);
    const pieces: Uint8Array[] = [];
    let length = 0;
    for await (const piece of answer.body) {
      length += piece.length;
      if (length > mostBytes) throw failed(`it is longer than ${mostBytes} bytes`, true);
      pieces.push(Uint8Array.from(piece));
    }
    return new TextDecoder('utf-8', {fatal: true}).decode(Buffer.concat(pieces));
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof FetchError) throw error;
    throw failed(reasonOf(error), error instanceof RefusedError || error instanceof TypeError, error);
  } finally {
    answer?.discard();
  }
}
