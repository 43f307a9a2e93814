import type {ArtifactStore, WorkFolder} from '../../volumes/artifact-store.ts';
import {collectOutputs} from './collect-outputs.ts';
import type {StepOutcome} from './run-context.ts';
import type {StepJob} from './step-runner.ts';

/** Checks what a step left in a work folder of the store, and publishes it. */
export async function publishWork(
  work: WorkFolder,
  job: StepJob,
  store: ArtifactStore,
): Promise<StepOutcome> {
  const {step, identity, log, startedMs} = job;
  log.progress('checking its artifacts');
  const outputs = await collectOutputs(store, step, work);
  if (!outputs.ok) return outputs;
  const entry = await store.publish(work, outputs.files, {
    step: step.name,
    ...identity,
    durationMs: Date.now() - startedMs,
  });
  return {ok: true, entry, outcome: 'built'};
}
