import type {ArtifactStore} from '../../volumes/artifact-store.ts';
import type {StoreEntry} from '../../volumes/store-entry.ts';
import {allSteps} from '../components/components.ts';
import type {EngineSession} from '../engine/session.ts';
import {PipelineError} from '../errors.ts';
import type {CleanOptions} from '../options.ts';
import {loadProject} from './load-project.ts';
import {explainInputs} from './explain-inputs.ts';
import {identifySteps, type IdentifiedStep} from './explain-steps.ts';
import {FingerprintInputs} from './fingerprint.ts';
import {sortTopologically} from './graph.ts';
import {findIdentityContext} from './identity-context.ts';

/**
 * Tells which entries the current configuration would use, all of its components counted.
 *
 * Where an input has to be built first, its content is not known: an entry that agrees in everything else may be used
 * again then, and counts as reachable.
 *
 * @throws PipelineError `IMAGE_UNAVAILABLE` without the base image, which is part of every identity.
 */
export async function findReachable(
  session: EngineSession,
  store: ArtifactStore,
  options: CleanOptions,
): Promise<(entry: StoreEntry) => boolean> {
  const resolved = await loadProject(options);
  const sorted = sortTopologically(allSteps(resolved.components, resolved.local, resolved.pins));
  const base = await findIdentityContext(session, resolved, sorted, options);
  if (base === undefined) {
    throw new PipelineError(
      'IMAGE_UNAVAILABLE',
      'what the configuration would use cannot be told: the engine does not have its base image',
      {hint: 'hypriotkit build base_image makes it.'},
    );
  }
  const identified = await identifySteps(sorted, store, base);
  const steps = new Map(identified.map((step) => [step.plan.step, step]));
  return (entry) => isReachable(entry, steps.get(entry.step));
}

/** Whether a build would use an entry, as far as it can be told. */
export function isReachable(entry: StoreEntry, step: IdentifiedStep | undefined): boolean {
  if (step?.inputs === undefined) return false;
  if (step.unknown.length === 0) return step.plan.fingerprint === entry.fingerprint;
  const before = FingerprintInputs.safeParse(entry.inputs).data;
  if (before === undefined) return false;
  return explainInputs(before, step.inputs, step.unknown).every(({changed}) => !changed);
}
