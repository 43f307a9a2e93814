import {mkdir, statfs} from 'node:fs/promises';
import type {CacheEntry, Validator} from '../cache/cache-entry.ts';
import {formatByteSize} from '../../configs/human-units.ts';
import {
  isSameContent,
  isUnwantedPage,
  lengthOf,
  rangeOf,
  retryAfterMs,
  validatorOf,
  type ContentRange,
} from './answer-facts.ts';
import type {Checksum} from './download-request.ts';
import {openSink} from './file-sink.ts';
import type {Digests} from './hashing-file.ts';
import type {PartialFile, PartialState} from './partial-file.ts';
import {isEncoded, RefusedError, type Answer, type Web} from './web.ts';

/** What one attempt needs to know. */
export interface AttemptOptions {
  readonly web: Web;
  /** The name by which the file was asked for; its ending says what it should be. */
  readonly url: string;
  readonly partial: PartialFile;
  /** Digests that the content must have. */
  readonly checksums: readonly Checksum[];
  readonly sizeBytes: number | undefined;
  readonly mostBytes: number | undefined;
  /** What the cache has: only something else is fetched. */
  readonly known: CacheEntry | undefined;
  readonly signal: AbortSignal;
  /** Called before the first byte of an attempt and after each piece. */
  readonly onProgress: (doneBytes: number, totalBytes: number | undefined) => void;
  readonly onReceived: (bytes: number) => void;
}

export type AttemptResult =
  | {readonly type: 'unchanged'; readonly validator: Validator}
  | {
      readonly type: 'fetched';
      readonly sizeBytes: number;
      readonly digests: Digests;
      readonly validator: Validator;
      /** False when only the end of the connection said that this was all. */
      readonly isEndKnown: boolean;
    };

/** A failure that may pass. */
export class PassingError extends Error {
  override readonly name = 'PassingError';
  /** How long the server wants to be left alone. */
  readonly retryAfterMs: number | undefined;

  constructor(message: string, retryAfter?: number) {
    super(message);
    this.retryAfterMs = retryAfter;
  }
}

/** The disk that the file goes to does not take it. */
export class StorageError extends Error {
  override readonly name = 'StorageError';
  readonly code: string | undefined;

  constructor(cause: unknown) {
    super((cause as Error).message, {cause});
    this.code = (cause as NodeJS.ErrnoException).code;
  }
}

/** RFC 9110: those that say "not now"; 425 is of RFC 8470. */
const passing: readonly number[] = [408, 413, 425, 429, 500, 502, 503, 504];

/**
 * Asks one address for what is missing of a file, and takes as much as comes.
 *
 * @throws RefusedError when there is no use in asking this address again, PassingError or what undici throws when there
 * is, StorageError when the disk is the reason.
 */
export async function attemptFetch(address: string, options: AttemptOptions): Promise<AttemptResult> {
  const {web, partial, known, signal} = options;
  const state = await partial.state();
  const from = await beginningOf(address, options, state);
  const isSameServer = state?.address === address;
  const ifRange = isSameServer ? (state.validator.etag ?? state.validator.lastModified) : undefined;
  const answer = await web.ask(address, {
    signal,
    headers:
      from > 0
        ? {range: `bytes=${from}-`, ...(ifRange !== undefined && {'if-range': ifRange})}
        : conditionsFor(known),
  });
  try {
    if (answer.status === 304 && from === 0 && known !== undefined) {
      answer.discard();
      return {type: 'unchanged', validator: {...known.validator, ...validatorOf(answer)}};
    }
    const range = answer.status === 206 ? rangeOf(answer) : undefined;
    checkStatus(answer, from);
    // 416: it is shorter by now than what there is of it.
    if (answer.status !== 200 && !fits(range, from, answer, state, isSameServer)) {
      await partial.remove();
      throw new PassingError('the file was changed while it was downloaded');
    }
    const start = range?.start ?? 0;
    const validator = validatorOf(answer);
    const length = lengthOf(answer);
    const totalBytes = range === undefined ? length : (range.total ?? (length && start + length));
    if (known !== undefined && start === 0 && isSameContent(known.validator, validator)) {
      if (totalBytes === undefined || totalBytes === known.sizeBytes) return {type: 'unchanged', validator};
    }
    checkSize(totalBytes, options);
    if (start === 0) {
      await storing(partial.begin({address, validator, ...(totalBytes !== undefined && {totalBytes})}));
    }
    if (totalBytes !== undefined) await checkRoom(partial.folder, totalBytes - start);
    return await receive(answer, {start, totalBytes, validator}, options);
  } finally {
    answer.discard();
  }
}

/** From which byte on to ask. */
async function beginningOf(
  address: string,
  {partial, checksums}: AttemptOptions,
  state: PartialState | undefined,
): Promise<number> {
  const have = await partial.have();
  if (have === 0 || state === undefined) return 0;
  const {validator, totalBytes} = state;
  const hasValidator = validator.etag !== undefined || validator.lastModified !== undefined;
  // Bytes of another server, or of one that gives no version, are only joined where a checksum judges the result.
  const isProvable = (state.address === address && hasValidator) || checksums.length > 0;
  if (!isProvable) return 0;
  // All is there, but a run ended before it could say so: one byte is asked for, to hear that it still is the same file.
  return totalBytes !== undefined && have >= totalBytes ? Math.max(0, totalBytes - 1) : have;
}

function conditionsFor(known: CacheEntry | undefined): Record<string, string> {
  const {etag, lastModified} = known?.validator ?? {};
  return {
    ...(etag !== undefined && {'if-none-match': etag}),
    ...(lastModified !== undefined && {'if-modified-since': lastModified}),
  };
}

function checkStatus(answer: Answer, from: number): void {
  const {status} = answer;
  if (status === 200 || (status === 206 && from > 0)) return;
  if (passing.includes(status)) {
    throw new PassingError(`the server answers ${status}`, retryAfterMs(answer, Date.now()));
  }
  if (status === 416 && from > 0) return;
  throw new RefusedError(`the server answers ${status}`, {
    status,
    ...(status === 404 && {hint: 'There is nothing at this address: look at its spelling.'}),
    ...((status === 401 || status === 403) && {
      hint: 'It asks for a password, or does not give this file out.',
    }),
  });
}

/** Whether what comes goes on where the part ends. */
function fits(
  range: ContentRange | undefined,
  from: number,
  answer: Answer,
  state: PartialState | undefined,
  isSameServer: boolean,
): boolean {
  if (range?.start !== from || isEncoded(answer)) return false;
  const {totalBytes, validator = {}} = state ?? {};
  if (totalBytes !== undefined && range.total !== undefined && range.total !== totalBytes) return false;
  if (!isSameServer) return true;
  // A server that has not understood If-Range says here that it sends something else. RFC 9110, 15.3.7: the entity tag
  // must be there again, the date may be left out.
  const now = validatorOf(answer);
  if (validator.etag !== undefined) return now.etag === validator.etag;
  return now.lastModified === undefined || now.lastModified === validator.lastModified;
}

function checkSize(totalBytes: number | undefined, {sizeBytes, mostBytes}: AttemptOptions): void {
  if (totalBytes === undefined) return;
  if (sizeBytes !== undefined && totalBytes !== sizeBytes) throw wrongSize(totalBytes, sizeBytes);
  if (mostBytes !== undefined && totalBytes > mostBytes) throw tooLarge(totalBytes, mostBytes);
}

function wrongSize(found: number, declared: number): RefusedError {
  return new RefusedError(`it has ${found} bytes there, but ${declared} are declared`);
}

function tooLarge(found: number, most: number): RefusedError {
  return new RefusedError(
    `it has ${formatByteSize(found)} there, more than the ${formatByteSize(most)} that are allowed`,
  );
}

async function checkRoom(folder: string, bytes: number): Promise<void> {
  const room = await statfs(folder).then(
    ({bavail, bsize}) => bavail * bsize,
    () => Infinity,
  );
  if (room >= bytes) return;
  const message = `${formatByteSize(bytes)} are missing, and there is room for ${formatByteSize(room)}`;
  throw new StorageError(Object.assign(new Error(message), {code: 'ENOSPC'}));
}

interface Receiving {
  readonly start: number;
  readonly totalBytes: number | undefined;
  readonly validator: Validator;
}

async function receive(
  answer: Answer,
  {start, totalBytes, validator}: Receiving,
  options: AttemptOptions,
): Promise<AttemptResult> {
  const {url, partial, checksums, sizeBytes, mostBytes, signal, onProgress, onReceived} = options;
  const expected = totalBytes === undefined ? undefined : totalBytes - start;
  const algorithms = checksums.map(({algorithm}) => algorithm).filter((algorithm) => algorithm !== 'sha-256');
  const sink = await storing(
    mkdir(partial.folder, {recursive: true}).then(() => openSink(partial.path, start, expected, algorithms)),
  );
  let done = start;
  let digests: Digests;
  try {
    onProgress(done, totalBytes);
    for await (const piece of answer.body) {
      signal.throwIfAborted();
      if (done === 0 && isUnwantedPage(url, answer, piece)) {
        throw new RefusedError('the server sends an HTML page instead of the file', {
          hint: 'A portal or a proxy on the way may want a login; open the address in a browser.',
        });
      }
      await storing(sink.write(piece));
      done += piece.length;
      onReceived(piece.length);
      onProgress(done, totalBytes);
      if (mostBytes !== undefined && done > mostBytes) throw tooLarge(done, mostBytes);
    }
    if (totalBytes !== undefined && done !== totalBytes) {
      throw new PassingError(`it ended after ${done} of ${totalBytes} bytes`);
    }
    digests = await storing(sink.finish());
  } catch (error) {
    await sink.abandon();
    if (error instanceof RefusedError) await partial.remove();
    throw error;
  }
  const wrong =
    sizeBytes !== undefined && done !== sizeBytes
      ? wrongSize(done, sizeBytes)
      : findMismatch(checksums, digests);
  if (wrong !== undefined) {
    await partial.remove();
    // The fault may be in what an earlier run has left.
    if (start > 0) throw new PassingError(wrong.message);
    throw wrong;
  }
  const {'content-length': length, 'transfer-encoding': coding} = answer.headers;
  const isEndKnown = length !== undefined || coding !== undefined || answer.status === 206;
  return {type: 'fetched', sizeBytes: done, digests, validator, isEndKnown};
}

function findMismatch(checksums: readonly Checksum[], digests: Digests): RefusedError | undefined {
  for (const {algorithm, value} of checksums) {
    const found = digests[algorithm];
    if (found === value.toLowerCase()) continue;
    return new RefusedError(
      `its ${algorithm} is ${found ?? 'unknown'}, and should be ${value.toLowerCase()}`,
      {
        hint: 'Either the file is another one by now, or it was changed on its way. Look up the checksum where it is published.',
      },
    );
  }
  return undefined;
}

/** Tells errors of the disk from those of the network: both have codes. */
async function storing<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw new StorageError(error);
  }
}
