import type {StoreEntry} from '../../volumes/store-entry.ts';
import {baseImageStep} from '../components/components.ts';
import {findBaseImage} from '../engine/base-image.ts';
import type {DeliveredArtifact} from '../events/event.ts';
import {DamagedArtifact} from './damaged-artifact.ts';
import {deliverSelected} from './deliver-selected.ts';
import {artifactsOf} from './executor.ts';
import {filesNeeded} from './files-needed.ts';
import {identifyStep, type IdentityContext} from './identify-step.ts';
import {lockedIdentityContext} from './identity-context.ts';
import {listEntry} from './plan-steps.ts';
import type {Run} from './run.ts';

export interface Fetched {
  readonly entries: ReadonlyMap<string, StoreEntry>;
  readonly delivered: readonly DeliveredArtifact[];
}

/**
 * Delivers everything from registries, without a container and without the base image, which an empty engine would
 * have to build first: the lock says what its identity is.
 *
 * @param nameOf What a step is called in this run.
 * @returns undefined when that cannot be done: no complete lock, something that no registry has, or an engine that has
 *   the base image, with which the usual way is as quick.
 */
export async function fetchSelected(
  run: Run,
  nameOf: (step: string) => string = (step) => step,
): Promise<Fetched | undefined> {
  const {folder, cache, session, lock, locked, resolved, options} = run;
  if (cache.isEmpty || folder === undefined || options.image !== undefined) return undefined;
  const {architecture} = session.engine;
  const {from} = resolved.components.base_image;
  const context = await lockedIdentityContext(lock, locked, {from, architecture, epoch: run.epochFromUser});
  if (context === undefined) return undefined;
  const {identity} = context.baseImage;
  const found = await findBaseImage(session, {
    configs: resolved.components,
    locked: lock?.base_image.architectures[architecture],
  });
  if (found?.identity === identity) return undefined;
  const entries = await findAll(run, context);
  if (entries === undefined) return undefined;
  announce(run, entries, nameOf);
  try {
    return {
      entries,
      delivered: await deliverSelected(run, entries, {epoch: context.epoch, baseImage: {identity}}, folder),
    };
  } catch (error) {
    if (!(error instanceof DamagedArtifact)) throw error;
    cache.reject(error.entry);
    return undefined;
  }
}

/** The entry of every step, as long as the lock and the registries have all of them. */
async function findAll(
  {selection, cache, locked}: Run,
  context: IdentityContext,
): Promise<ReadonlyMap<string, StoreEntry> | undefined> {
  const needs = filesNeeded(selection);
  const entries = new Map<string, StoreEntry>();
  for (const step of selection.steps) {
    const inputs = new Map(
      step.inputs.flatMap((name) => {
        const input = entries.get(name);
        return input === undefined ? [] : [[name, input] as const];
      }),
    );
    const identity = await identifyStep(step, inputs, context);
    const list = locked.lists.get(step.name);
    const entry =
      list === undefined
        ? (await cache.find(identity.fingerprint, needs(step.name)))?.entry
        : listEntry(step.name, identity, list);
    if (entry === undefined) return undefined;
    entries.set(step.name, entry);
  }
  return entries;
}

function announce(
  {emit, cache, selection}: Run,
  entries: ReadonlyMap<string, StoreEntry>,
  nameOf: (step: string) => string,
): void {
  const started = {description: '', reasons: []};
  emit({type: 'step-started', step: baseImageStep, ...started, description: 'not needed'});
  emit({type: 'step-finished', step: baseImageStep, outcome: 'hit', durationMs: 0, artifacts: []});
  const {origins} = cache;
  for (const step of selection.steps) {
    const entry = entries.get(step.name);
    if (entry === undefined) continue;
    const from = origins.get(entry.fingerprint);
    emit({type: 'step-started', step: nameOf(step.name), ...started, description: step.description});
    emit({
      type: 'step-finished',
      step: nameOf(step.name),
      outcome: 'hit',
      ...(from !== undefined && {from}),
      durationMs: 0,
      artifacts: artifactsOf(entry),
    });
  }
}
