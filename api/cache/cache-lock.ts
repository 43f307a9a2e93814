import {mkdir} from 'node:fs/promises';
import {dirname} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import {lock} from 'proper-lockfile';
import {PipelineError} from '../errors.ts';

/** After so long without a sign of life a lock counts as left behind by a process that was killed. */
const staleMs = 10_000;
/** Often enough for a machine that is busy. */
const renewMs = 2000;
/** Others are mostly done sooner; after that somebody may wonder. */
const silentMs = 1000;

/** After so long other processes get their turn, even if more is waiting here. */
const turnMs = 500;

interface Waiting {
  readonly run: () => Promise<void>;
  readonly refuse: (error: unknown) => void;
}

/** Lets one process at a time change the records of a cache, and in this process one piece of work at a time. */
export class CacheLock {
  readonly #path: string;
  readonly #waiting: Waiting[] = [];
  #isBusy = false;

  /** @param path Of the lock itself, which is a folder while somebody holds it. */
  constructor(path: string) {
    this.#path = path;
  }

  /** Waits for others; the work should take no longer than reading and writing records does. It must not hold the lock again. */
  hold<T>(work: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({run: () => work().then(resolve, reject), refuse: reject});
      if (!this.#isBusy) void this.#serve();
    });
  }

  /** Taking the lock costs more than most work under it: what waits here is done in one go. */
  async #serve(): Promise<void> {
    this.#isBusy = true;
    while (this.#waiting.length > 0) {
      try {
        const release = await this.#take();
        const startMs = performance.now();
        while (performance.now() - startMs < turnMs) {
          const next = this.#waiting.shift();
          if (next === undefined) break;
          await next.run();
        }
        await release();
      } catch (error) {
        for (const {refuse} of this.#waiting.splice(0)) refuse(error);
      }
    }
    this.#isBusy = false;
  }

  async #take(): Promise<() => Promise<void>> {
    const release = await acquire(this.#path, {waitMs: 60_000, pauseMs: 20});
    if (release !== undefined) return release;
    throw new PipelineError(
      'CACHE_UNUSABLE',
      `another process has kept the cache ${dirname(this.#path)} locked`,
      {
        hint: 'Wait until it is done, or name another folder.',
      },
    );
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
  {signal: outer, onWait}: LockOptions = {},
): Promise<T> {
  const lost = new AbortController();
  await mkdir(dirname(path), {recursive: true});
  const release = await acquire(path, {
    waitMs: Infinity,
    pauseMs: 200,
    signal: outer,
    onWait,
    onLost: () => lost.abort(new Error('the machine has slept: the lock of this download is lost')),
  });
  try {
    return await work(outer === undefined ? lost.signal : AbortSignal.any([outer, lost.signal]));
  } finally {
    await release?.();
  }
}

export interface LockOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called once when it takes longer than a moment. */
  readonly onWait?: (() => void) | undefined;
}

interface AcquireOptions extends LockOptions {
  readonly waitMs: number;
  readonly pauseMs: number;
  readonly onLost?: () => void;
}

/** Undefined when it took too long. */
async function acquire(
  path: string,
  {waitMs, pauseMs, signal, onWait, onLost}: AcquireOptions,
): Promise<(() => Promise<void>) | undefined> {
  const startMs = performance.now();
  let isSaid = false;
  for (;;) {
    signal?.throwIfAborted();
    try {
      const release = await lock(path, {
        lockfilePath: path,
        realpath: false,
        stale: staleMs,
        update: renewMs,
        onCompromised: () => onLost?.(),
      });
      // What is lost already cannot be released; it is not ours any more.
      return () => release().catch(() => undefined);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ELOCKED') throw error;
      const waitedMs = performance.now() - startMs;
      if (waitedMs > waitMs) return undefined;
      if (!isSaid && waitedMs > silentMs) {
        isSaid = true;
        onWait?.();
      }
      await sleep(pauseMs * (0.5 + Math.random()), undefined, signal === undefined ? {} : {signal});
    }
  }
}
