import {mkdir} from 'node:fs/promises';
import {dirname} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import {lock} from 'proper-lockfile';
import {PipelineError} from '../errors.ts';

/** After so long without a sign of life a lock counts as left behind by a process that was killed. */
const staleMs = 30_000;

/** Lets one process at a time change the records of a cache, and in this process one piece of work at a time. */
export class CacheLock {
  readonly #path: string;
  #last: Promise<unknown> = Promise.resolve();

  /** @param path Of the lock itself, which is a folder while somebody holds it. */
  constructor(path: string) {
    this.#path = path;
  }

  /** Waits for others; the work should take no longer than reading and writing records does. */
  hold<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(() => this.#holdNow(work));
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  async #holdNow<T>(work: () => Promise<T>): Promise<T> {
    const release = await acquire(this.#path, {waitMs: 60_000, pauseMs: 20});
    if (release === undefined) {
      throw new PipelineError(
        'CACHE_UNUSABLE',
        `another process has kept the cache ${dirname(this.#path)} locked`,
        {
          hint: 'Wait until it is done, or name another folder.',
        },
      );
    }
    try {
      return await work();
    } finally {
      await release();
    }
  }
}

/**
 * Waits until no other process holds the lock at `path`, then runs `work`.
 *
 * @param work Gets a signal that aborts when the lock is lost, as after the machine has slept: somebody else may have it.
 */
export async function withLock<T>(
  path: string,
  work: (signal: AbortSignal) => Promise<T>,
  outer?: AbortSignal,
): Promise<T> {
  const lost = new AbortController();
  await mkdir(dirname(path), {recursive: true});
  const release = await acquire(path, {
    waitMs: Infinity,
    pauseMs: 200,
    signal: outer,
    onLost: () => lost.abort(new Error('the machine has slept: the lock of this download is lost')),
  });
  try {
    return await work(outer === undefined ? lost.signal : AbortSignal.any([outer, lost.signal]));
  } finally {
    await release?.();
  }
}

interface AcquireOptions {
  readonly waitMs: number;
  readonly pauseMs: number;
  readonly signal?: AbortSignal | undefined;
  readonly onLost?: () => void;
}

/** Undefined when it took too long. */
async function acquire(
  path: string,
  {waitMs, pauseMs, signal, onLost}: AcquireOptions,
): Promise<(() => Promise<void>) | undefined> {
  const deadline = performance.now() + waitMs;
  for (;;) {
    signal?.throwIfAborted();
    try {
      const release = await lock(path, {
        lockfilePath: path,
        realpath: false,
        stale: staleMs,
        update: staleMs / 6,
        onCompromised: () => onLost?.(),
      });
      // What is lost already cannot be released; it is not ours any more.
      return () => release().catch(() => undefined);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ELOCKED') throw error;
      if (performance.now() > deadline) return undefined;
      await sleep(pauseMs * (0.5 + Math.random()), undefined, signal === undefined ? {} : {signal});
    }
  }
}
