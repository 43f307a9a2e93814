import {setTimeout} from 'node:timers/promises';
import type {Dispatcher} from 'undici';
import {PipelineError} from '../errors.ts';
import {isBusy, RegistryAwayError} from './registry-away.ts';
import {formatImageReference, type ImageReference} from './reference.ts';

/** How often something is tried, and how long it waits before the second time; doubled each time. */
const mostAttempts = 5;
const firstWaitMs = 250;

/** A registry that wants more patience than this is as good as one that refuses. */
const longestWaitMs = 30_000;

/** Something that may work when it is tried again. */
export class Interrupted extends Error {
  readonly failure: unknown;
  readonly waitMs: number | undefined;

  constructor(failure: unknown, waitMs?: number) {
    super('interrupted', {cause: failure});
    this.failure = failure;
    this.waitMs = waitMs;
  }
}

/**
 * Does something again after an {@link Interrupted}, some times.
 *
 * @throws what the last attempt failed with.
 */
export async function persist<T>(attempt: () => Promise<T>): Promise<T> {
  for (let count = 1; ; count++) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof Interrupted)) throw error;
      if (count === mostAttempts) throw error.failure;
      await setTimeout(error.waitMs ?? firstWaitMs * 2 ** (count - 1));
    }
  }
}

/**
 * An answer, and an interruption where the connection broke or the registry was not ready.
 *
 * @throws Interrupted
 */
export async function ready(
  reference: ImageReference,
  send: () => Promise<Dispatcher.ResponseData>,
): Promise<Dispatcher.ResponseData> {
  let answer: Dispatcher.ResponseData;
  try {
    answer = await send();
  } catch (error) {
    throw error instanceof RegistryAwayError ? new Interrupted(error) : error;
  }
  const {statusCode, headers} = answer;
  if (!isBusy(statusCode)) return answer;
  await answer.body.dump();
  const failure = refusal(reference, statusCode);
  const seconds = Number([headers['retry-after'] ?? ''].flat()[0]);
  const waitMs = seconds > 0 ? seconds * 1000 : undefined;
  throw waitMs !== undefined && waitMs > longestWaitMs ? failure : new Interrupted(failure, waitMs);
}

/** What an answer means that is no success, for somebody who writes. */
export function refusal(reference: ImageReference, status: number): PipelineError {
  const {registry, repository} = reference;
  if (status === 401 || status === 403) {
    return failed(
      `the registry ${registry} does not let us write ${repository} (${status})`,
      `Log in with an account that may: docker login ${registry}`,
    );
  }
  if (status === 405) {
    return failed(
      `the registry ${registry} does not allow that (405)`,
      'Removing must be allowed in its configuration: storage.delete.enabled.',
    );
  }
  const message = `the registry ${registry} answers ${status} for ${formatImageReference(reference)}`;
  if (!isBusy(status)) return failed(message, undefined);
  return new RegistryAwayError(
    message,
    status === 429
      ? 'It has been asked too often: try again later.'
      : 'Is there room left on its disk? Its log says more.',
  );
}

function failed(message: string, hint: string | undefined): PipelineError {
  return new PipelineError('REGISTRY_FAILED', message, {hint});
}
