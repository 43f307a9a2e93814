import {setImmediate} from 'node:timers/promises';
import type {TaskRunner} from './worker-pool.ts';

/**
 * Does tasks in this thread, one after the other: for little work, where starting threads takes longer than they save.
 * Between two tasks everything else gets its turn. After an abort no task is started any more.
 */
export class LocalRunner<Task, Result> implements TaskRunner<Task, Result> {
  readonly width = 1;
  readonly #work: (task: Task) => Result | Promise<Result>;
  readonly #signal: AbortSignal | undefined;
  #last: Promise<unknown> = Promise.resolve();

  constructor(work: (task: Task) => Result | Promise<Result>, signal?: AbortSignal) {
    this.#work = work;
    this.#signal = signal;
  }

  run(task: Task): Promise<Result> {
    const result = this.#last.then(async () => {
      await setImmediate();
      this.#signal?.throwIfAborted();
      return this.#work(task);
    });
    this.#last = result.catch(() => undefined);
    return result;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }
}
