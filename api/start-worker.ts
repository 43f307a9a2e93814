import {Worker} from 'node:worker_threads';

/** Threads work on buffers, which are not in here; by default each could take 48 MiB for objects that are garbage soon. */
const resourceLimits = {maxYoungGenerationSizeMb: 6};

/** Starts a thread. Node 20 reads no TypeScript, and loaders of the parent are not inherited: from the sources tsx is loaded first. */
export function startWorker(script: URL, workerData: unknown): Worker {
  // Nor are options of Node's that compiled code has no use for: a loader takes longer than most work.
  if (!script.pathname.endsWith('.ts')) return new Worker(script, {workerData, resourceLimits, execArgv: []});
  const load = `import('tsx/esm/api').then(({register}) => { register(); return import(${JSON.stringify(script.href)}); })`;
  return new Worker(load, {eval: true, workerData, resourceLimits});
}
