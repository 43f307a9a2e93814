import type {StoreEntry} from '../../volumes/store-entry.ts';
import type {Step} from '../components/step.ts';
import {classifyError} from './classify-failure.ts';
import {DamagedArtifact} from './damaged-artifact.ts';
import type {RunContext, StepOutcome} from './run-context.ts';

/**
 * Brings the files of an entry from a registry into the volume.
 *
 * @returns undefined when the registry does not have all of them, or has something else: the step must be made.
 */
export async function takeOver(
  step: Step,
  {fingerprint}: StoreEntry,
  from: string,
  {session, store, cache, emit, signal}: RunContext,
): Promise<StepOutcome | undefined> {
  const found = await cache.find(fingerprint, ({entry, held}) =>
    entry.files.every(({name}) => held.has(name)),
  );
  if (found === undefined) return undefined;
  emit({type: 'step-progress', step: step.name, message: `fetching it from ${found.from}`});
  try {
    const work = `${session.runId}.${fingerprint.slice(0, 16)}`;
    const entry = await store.admit({...found, reader: cache}, work);
    if (entry !== undefined) {
      emit({type: 'step-progress', step: step.name, message: `fetched from ${found.from}`});
      return {ok: true, entry, outcome: 'hit'};
    }
  } catch (error) {
    if (signal.aborted) {
      return {ok: false, failure: {reason: 'interrupted', step: step.name, message: 'stopped by the user'}};
    }
    if (!(error instanceof DamagedArtifact)) {
      const failure = classifyError(step.name, error);
      if (failure === undefined) throw error;
      return {ok: false, failure};
    }
  }
  cache.reject(found.entry);
  return undefined;
}
