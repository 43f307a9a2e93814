import type {TaskRunner} from './worker-pool.ts';

/** Does tasks in this thread, one after the other: for little work, where starting threads takes longer than they save. */
export class LocalRunner<Task, Result> implements TaskRunner<Task, Result> {
  readonly width = 1;
  readonly #work: (task: Task) => Result | Promise<Result>;
  #last: Promise<unknown> = Promise.resolve();

  constructor(work: (task: Task) => Result | Promise<Result>) {
    this.#work = work;
  }

  run(task: Task): Promise<Result> {
    const result = this.#last.then(() => this.#work(task));
    this.#last = result.catch(() => undefined);
    return result;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }
}
