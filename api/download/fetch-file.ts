import {setTimeout as sleep} from 'node:timers/promises';
import {formatTimeSpan} from '../../configs/human-units.ts';
import {
  attemptFetch,
  PassingError,
  StorageError,
  type AttemptOptions,
  type AttemptResult,
} from './fetch-attempt.ts';
import type {Patience} from './patience.ts';
import {RefusedError, withoutSecrets} from './web.ts';

export interface FetchOptions extends AttemptOptions {
  /** Where the same bytes may be had, the best first; never empty. */
  readonly addresses: readonly string[];
  readonly patience: Patience;
  readonly onRetry: (retry: {readonly url: string; readonly reason: string; readonly waitMs: number}) => void;
}

/** A file that none of its addresses gave. The message names the last of them and why. */
export class FetchError extends Error {
  override readonly name = 'FetchError';
  readonly hint: string | undefined;
  /** Whether a server said so, and none was merely silent. */
  readonly isRefused: boolean;

  constructor(message: string, options: {hint?: string | undefined; cause?: unknown; isRefused: boolean}) {
    super(message, {cause: options.cause});
    this.hint = options.hint;
    this.isRefused = options.isRefused;
  }
}

/**
 * Fetches a file from its addresses, in rounds: each that has not refused it is asked once, then there is a pause. As
 * long as each round brings something it goes on.
 *
 * @throws FetchError, or StorageError when the disk is the reason.
 */
export async function fetchFile(options: FetchOptions): Promise<AttemptResult> {
  const {addresses, patience, partial, signal, onRetry} = options;
  const refusals = new Map<string, RefusedError>();
  let waitedMs = 0;
  let fruitless = 0;
  for (;;) {
    const before = await partial.have();
    let failure: {readonly address: string; readonly error: Error} | undefined;
    let retryAfterMs = 0;
    for (const address of addresses) {
      if (refusals.has(address)) continue;
      try {
        return await attemptFetch(address, options);
      } catch (error) {
        signal.throwIfAborted();
        if (error instanceof StorageError || !(error instanceof Error)) throw error;
        if (error instanceof RefusedError) {
          refusals.set(address, error);
          continue;
        }
        failure = {address, error};
        if (error instanceof PassingError) retryAfterMs = Math.max(retryAfterMs, error.retryAfterMs ?? 0);
      }
    }
    if (failure === undefined) throw refused(addresses, refusals);
    const {address, error} = failure;
    fruitless = (await partial.have()) > before ? 0 : fruitless + 1;
    const backoff = Math.min(patience.mostPauseMs, patience.firstPauseMs * 2 ** fruitless);
    const waitMs = Math.max(backoff * (0.5 + Math.random() / 2), retryAfterMs);
    if (fruitless >= patience.fruitlessRounds || waitedMs + waitMs > patience.mostWaitMs) {
      throw givenUp(address, error, retryAfterMs > patience.mostWaitMs - waitedMs ? retryAfterMs : 0);
    }
    const next = addresses.find((one) => !refusals.has(one)) ?? address;
    onRetry({url: withoutSecrets(next), reason: reasonOf(error), waitMs: Math.round(waitMs)});
    await sleep(waitMs, undefined, {signal});
    waitedMs += waitMs;
  }
}

function refused(addresses: readonly string[], refusals: ReadonlyMap<string, RefusedError>): FetchError {
  const [first = ''] = addresses;
  const error = refusals.get(first);
  const more = addresses.length > 1 ? `; none of its ${addresses.length - 1} mirrors has it either` : '';
  return new FetchError(`${withoutSecrets(first)} cannot be downloaded: ${error?.message ?? ''}${more}`, {
    hint: error?.hint,
    cause: error,
    isRefused: true,
  });
}

function givenUp(address: string, error: Error, asksForMs: number): FetchError {
  const later =
    asksForMs > 0 ? `, and asks to come back in ${formatTimeSpan(Math.ceil(asksForMs / 1000))}` : '';
  return new FetchError(`${withoutSecrets(address)} cannot be downloaded: ${reasonOf(error)}${later}`, {
    hint: 'Run the same command again: it goes on where it stopped.',
    cause: error,
    isRefused: false,
  });
}

/** What went wrong with a connection, in words. */
export function reasonOf(error: unknown): string {
  const {code, message, cause} = error as NodeJS.ErrnoException & {readonly cause?: unknown};
  const words: Readonly<Record<string, string>> = {
    ENOTFOUND: 'there is no server of this name',
    EAI_AGAIN: 'the name of the server cannot be looked up',
    ECONNREFUSED: 'the server takes no connections',
    ECONNRESET: 'the connection broke',
    EPIPE: 'the connection broke',
    UND_ERR_SOCKET: 'the connection broke',
    UND_ERR_CONNECT_TIMEOUT: 'the server does not answer',
    UND_ERR_HEADERS_TIMEOUT: 'the server does not answer',
    UND_ERR_BODY_TIMEOUT: 'the server has stopped sending',
  };
  if (code === undefined)
    return cause instanceof Error && message === 'fetch failed' ? reasonOf(cause) : message;
  return words[code] === undefined ? `${message} (${code})` : `${words[code]} (${code})`;
}
