import {ImageCache} from '../../volumes/image-cache.ts';
import type {StoreEntry} from '../../volumes/store-entry.ts';
import {removeStaleRuns, sweepVolume} from '../engine/stale-runs.ts';
import {PipelineError} from '../errors.ts';
import type {StepFailure} from '../events/step-failure.ts';
import {Executor} from './executor.ts';
import {filesNeeded, isRequested} from './files-needed.ts';
import {planSteps} from './plan-steps.ts';
import type {RunContext} from './run-context.ts';
import type {Run} from './run.ts';
import {nodesOf} from './step-node.ts';

/**
 * Runs what has to run of the selected steps.
 *
 * @param verifyAll Reads every artifact that is found, also those that nothing needs.
 * @returns the entry of every step.
 * @throws PipelineError `BUILD_FAILED` with the steps' failures.
 */
export async function executeSteps(
  {selection, session, store, jobs, cache, folder}: Run,
  context: RunContext,
  verifyAll = false,
): Promise<ReadonlyMap<string, StoreEntry>> {
  const needs = filesNeeded(selection);
  const delivered = new Set(
    selection.steps
      .filter((step) => isRequested(selection, step) && step.outputs.some((output) => output.delivered))
      .map(({name}) => name),
  );
  await removeStaleRuns(session);
  const plan = await planSteps(selection.steps, store, context, cache, needs);
  const running = new Set(plan.filter((step) => step.action === 'run').map((step) => step.step));
  if (running.size > 0) {
    await sweepVolume(session, store, context.packages, new ImageCache(session.packageHost));
  }
  // A hit is read only where something runs on it; what is delivered is verified while it is copied.
  const used = new Set(
    selection.steps
      .filter((step) => verifyAll || running.has(step.name))
      .flatMap((step) => [step.name, ...step.inputs]),
  );
  const reasons = new Map(plan.map((step) => [step.step, step.reasons]));
  const executor = new Executor(nodesOf(selection.steps), jobs, {
    context,
    mustVerify: (step) => used.has(step) || verifyAll,
    reasons: (step) => reasons.get(step) ?? [],
    needs,
    // With a target, what a registry has is copied from there.
    mustStay: (step) => folder === undefined && delivered.has(step),
  });
  const entries = new Map<string, StoreEntry>();
  const failures: StepFailure[] = [];
  for (const [name, outcome] of await executor.execute()) {
    if (outcome.ok) entries.set(name, outcome.entry);
    else if (outcome.failure.reason !== 'cancelled') failures.push(outcome.failure);
  }
  if (failures.length > 0) {
    const names = failures.map((failure) => failure.step).join(', ');
    throw new PipelineError('BUILD_FAILED', `${names} failed`, {failures});
  }
  return entries;
}
