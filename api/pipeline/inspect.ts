import {ArtifactStore} from '../../volumes/artifact-store.ts';
import type {StoreEntry} from '../../volumes/store-entry.ts';
import {openSession, volumeExists} from '../engine/open-session.ts';
import type {
  BuildOptions,
  CommonOptions,
  PackageOptions,
  Plan,
  StoredStep,
  VolumeStatus,
} from '../options.ts';
import {baseImageStep} from '../components/components.ts';
import type {Step} from '../components/step.ts';
import type {EngineSession} from '../engine/session.ts';
import {parseCacheOptions} from './cache-options.ts';
import {emptyHost} from './empty-host.ts';
import {filesNeeded} from './files-needed.ts';
import {loadProject, type Project} from './load-project.ts';
import {lockedLists} from './lock.ts';
import {artifactsOf} from './executor.ts';
import type {IdentityContext} from './identify-step.ts';
import {findIdentityContext, lockedIdentityContext} from './identity-context.ts';
import {packageVolumeStatus} from './package-volume.ts';
import {planSteps} from './plan-steps.ts';
import {selectSteps} from './select-steps.ts';
import {epochFromUser} from './source-date-epoch.ts';
import {TeamCache} from './team-cache.ts';
import {filterByVerbosity} from './verbosity.ts';

/** What `build` would do with the same options, and why. Changes nothing. */
export async function plan(options: BuildOptions = {}): Promise<Plan> {
  const resolved = await loadProject(options);
  const selection = selectSteps(resolved, options.components);
  const {steps} = selection;
  await using session = await openSession(options);
  const base = await findIdentityContext(session, resolved, steps, options);
  await using cache = await TeamCache.open(
    parseCacheOptions(options),
    filterByVerbosity('debug', options.onEvent),
    options.signal,
  );
  const exists = await volumeExists(session);
  if (!exists && cache.isEmpty)
    return {volume: session.label, steps: [plannedBase(base !== undefined), ...planEmpty(steps)]};
  // A volume that does not exist holds nothing; looking into it would make it.
  const store = new ArtifactStore(exists ? session : emptyHost);
  const known = base ?? (cache.isEmpty ? undefined : await lockedContext(resolved, steps, session, options));
  const planned = await planSteps(steps, store, known, cache, filesNeeded(selection));
  const isNeeded = base === undefined && planned.some(({action}) => action === 'run');
  return {volume: session.label, steps: [plannedBase(!isNeeded), ...planned]};
}

function lockedContext(
  {lock, pinDifferences, components}: Project,
  steps: readonly Step[],
  {engine: {architecture}}: EngineSession,
  {sourceDateEpoch}: BuildOptions,
): Promise<IdentityContext | undefined> {
  const lists = lockedLists(lock, steps);
  const locked = {...lists, differences: [...pinDifferences, ...lists.differences]};
  const epoch = epochFromUser(sourceDateEpoch);
  return lockedIdentityContext(lock, locked, {from: components.base_image.from, architecture, epoch});
}

function planEmpty(steps: Parameters<typeof planSteps>[0]): Plan['steps'] {
  return steps.map((step) => ({
    step: step.name,
    component: step.component,
    description: step.description,
    needs: step.inputs.length === 0 ? [baseImageStep] : step.inputs,
    action: 'run',
    reasons: ['the volume does not exist yet'],
  }));
}

function plannedBase(exists: boolean): Plan['steps'][number] {
  return {
    step: baseImageStep,
    component: 'base_image',
    description: 'build tools',
    needs: [],
    action: exists ? 'hit' : 'run',
    reasons: exists ? [] : ['the engine does not have it'],
  };
}

/** What a volume holds, and that with the packages. */
export async function status(options: CommonOptions & PackageOptions = {}): Promise<VolumeStatus> {
  const packages = await packageVolumeStatus(options);
  await using session = await openSession(options);
  if (!(await volumeExists(session)))
    return {volume: session.label, exists: false, sizeBytes: 0, entries: [], packages};
  const entries = [...(await new ArtifactStore(session).entries()).values()]
    .sort((a, b) => (a.createdAt < b.createdAt ? 1 : -1))
    .map(toStoredStep);
  return {
    volume: session.label,
    exists: true,
    sizeBytes: entries.reduce((sum, entry) => sum + entry.sizeBytes, 0),
    entries,
    packages,
  };
}

/** An entry of the store as the API shows it. */
export function toStoredStep(entry: StoreEntry): StoredStep {
  return {
    step: entry.step,
    fingerprint: entry.fingerprint,
    createdAt: entry.createdAt,
    sizeBytes: entry.files.reduce((sum, file) => sum + file.sizeBytes, 0),
    artifacts: artifactsOf(entry),
  };
}
