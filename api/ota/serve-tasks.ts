import {parentPort} from 'node:worker_threads';
import {returnNativeBuffers} from './native-memory.ts';
import {sendError} from './worker-reply.ts';

/**
 * Called once by the script of a `WorkerPool`: does each task that arrives and answers with its result or its error.
 * `work` takes what the owner of the pool sends.
 */
export function serveTasks(work: (task: never) => unknown): void {
  parentPort?.on('message', (task: unknown) => {
    void answer(() => work(task as never));
  });
}

async function answer(work: () => unknown): Promise<void> {
  try {
    parentPort?.postMessage({ok: true, value: await work()});
  } catch (error) {
    parentPort?.postMessage({ok: false, error: sendError(error)});
  }
  returnNativeBuffers();
}
