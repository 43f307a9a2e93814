import {setTimeout as sleep} from 'node:timers/promises';
import {PipelineError} from '../../errors.ts';

/** How long a manager may be away before a run gives up. A machine that is started again is back long before. */
const mostPatienceMs = 15 * 60_000;

const pauseMs = 1000;

/** Asks the manager of a swarm, and waits while it cannot be reached: its tasks go on without it. */
export class Patience {
  readonly #signal: AbortSignal;
  readonly #notify: (message: string) => void;
  #awaySinceMs: number | undefined;

  /** @param notify told once when the manager goes, and once when it is back. */
  constructor(signal: AbortSignal, notify: (message: string) => void) {
    this.#signal = signal;
    this.#notify = notify;
  }

  /** Whether the last thing that was asked has not been answered yet. */
  get isAway(): boolean {
    return this.#awaySinceMs !== undefined;
  }

  /**
   * Does something that can be done twice, until it is done.
   *
   * @throws PipelineError `ENGINE_UNREACHABLE` when the manager stays away, and whatever else the action throws.
   */
  async ask<T>(action: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        const answer = await action();
        if (this.#awaySinceMs !== undefined) this.#notify('the manager of the swarm is back');
        this.#awaySinceMs = undefined;
        return answer;
      } catch (error) {
        if (!isAway(error) || this.#signal.aborted) throw error;
        this.#awaySinceMs ??= this.#begin(error as Error);
        if (Date.now() - this.#awaySinceMs > mostPatienceMs) {
          throw new PipelineError(
            'ENGINE_UNREACHABLE',
            'the manager of the swarm has been away for too long',
            {
              hint: 'Start the same command again when it is back: what its nodes have finished is in the registry.',
              cause: error,
            },
          );
        }
        await sleep(pauseMs, undefined, {signal: this.#signal});
      }
    }
  }

  #begin(error: Error): number {
    this.#notify(`the manager of the swarm cannot be reached (${error.message}); waiting for it`);
    return Date.now();
  }
}

/** A connection that fails, and a manager that has no leader to ask, are over some time; anything else is an answer. */
export function isAway(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const {code, statusCode} = error as {code?: unknown; statusCode?: unknown};
  if (typeof statusCode === 'number') {
    return (
      statusCode === 503 ||
      (statusCode === 500 &&
        /leader|context deadline|unavailable|shutting down|connection/i.test(error.message))
    );
  }
  return (
    ['ECONNRESET', 'ECONNREFUSED', 'EPIPE', 'ENOENT', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH'].includes(
      String(code),
    ) || error.message === 'socket hang up'
  );
}
