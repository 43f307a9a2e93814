import type {Worker} from 'node:worker_threads';
import {startWorker} from '../start-worker.ts';
import {reviveError, type TaskReply} from './worker-reply.ts';

/** Does tasks, in this process or in others. */
export interface TaskRunner<Task, Result> extends AsyncDisposable {
  /** How many tasks can be done at once. */
  readonly width: number;
  run(task: Task): Promise<Result>;
}

interface Waiting<Task, Result> {
  readonly task: Task;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

export interface PoolOptions {
  readonly threads: number;
  readonly workerData: unknown;
  /** Its abort fails all tasks that are not done. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Worker threads that do one task each at a time, in the order of `run`. A thread that dies fails all tasks; after
 * disposal nothing runs any more. `script` is a module that calls `serveTasks`.
 */
export class WorkerPool<Task, Result> implements TaskRunner<Task, Result> {
  readonly #workers: Worker[] = [];
  readonly #idle: Worker[] = [];
  readonly #waiting: Waiting<Task, Result>[] = [];
  readonly #busy = new Map<Worker, Waiting<Task, Result>>();
  readonly #signal: AbortSignal | undefined;
  readonly #abort = () => this.#break(this.#signal?.reason as Error);
  #broken: Error | undefined;

  constructor(script: URL, options: PoolOptions) {
    this.#signal = options.signal;
    this.#signal?.addEventListener('abort', this.#abort);
    for (let index = 0; index < options.threads; index++) {
      const worker = startWorker(script, options.workerData);
      worker.on('message', (reply: TaskReply<Result>) => this.#finish(worker, reply));
      worker.on('error', (error: Error) => this.#break(error));
      // Without an error it ends only when it is told to, or when somebody calls process.exit in it.
      worker.on('exit', (code) => this.#break(new Error(`a worker thread ended with status ${code}`)));
      this.#workers.push(worker);
      this.#idle.push(worker);
    }
  }

  get width(): number {
    return this.#workers.length;
  }

  run(task: Task): Promise<Result> {
    return new Promise((resolve, reject) => {
      if (this.#broken) {
        reject(this.#broken);
        return;
      }
      this.#waiting.push({task, resolve, reject});
      this.#next();
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#signal?.removeEventListener('abort', this.#abort);
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }

  #next(): void {
    while (this.#idle.length > 0 && this.#waiting.length > 0) {
      const worker = this.#idle.pop();
      const waiting = this.#waiting.shift();
      if (!worker || !waiting) return;
      this.#busy.set(worker, waiting);
      worker.postMessage(waiting.task);
    }
  }

  #finish(worker: Worker, reply: TaskReply<Result>): void {
    const waiting = this.#busy.get(worker);
    this.#busy.delete(worker);
    this.#idle.push(worker);
    if (reply.ok) waiting?.resolve(reply.value);
    else waiting?.reject(reviveError(reply.error));
    this.#next();
  }

  #break(error: Error): void {
    this.#broken ??= error;
    for (const {reject} of [...this.#busy.values(), ...this.#waiting]) reject(error);
    this.#busy.clear();
    this.#waiting.length = 0;
  }
}
