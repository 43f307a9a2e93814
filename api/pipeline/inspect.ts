import {loadConfigs} from '../../configs/load-config.ts';
import {readLock} from '../../configs/lock-file.ts';
import {ArtifactStore} from '../../volumes/artifact-store.ts';
import {findBaseImage} from '../engine/base-image.ts';
import {builtinBuildImages} from '../engine/build-image.ts';
import {openSession, volumeExists} from '../engine/open-session.ts';
import type {BuildOptions, CommonOptions, Plan, VolumeStatus} from '../options.ts';
import {baseImageStep} from '../components/components.ts';
import {configLocation} from './build.ts';
import {artifactsOf} from './executor.ts';
import {lockedLists, lockLocation} from './lock.ts';
import {planSteps} from './plan-steps.ts';
import {selectSteps} from './select-steps.ts';
import {sourceDateEpoch} from './source-date-epoch.ts';

/** What `build` would do with the same options, and why. Changes nothing. */
export async function plan(options: BuildOptions = {}): Promise<Plan> {
  const resolved = await loadConfigs(configLocation(options));
  const {steps} = selectSteps(resolved, options.components);
  const epochFromUser = sourceDateEpoch(process.env);
  const lockFile = lockLocation(resolved, options.target);
  const lock = lockFile === undefined ? undefined : await readLock(lockFile);
  await using session = await openSession(options);
  const baseImage = await findBaseImage(session, {configs: resolved.components, image: options.image});
  const locked = lockedLists(lock, steps);
  const base = baseImage && {
    baseImage,
    buildImages: builtinBuildImages(),
    epoch: epochFromUser ?? lock?.source_date_epoch ?? baseImage.archiveDate,
    lists: locked.lists,
    previousLists: locked.previous,
  };
  const store = new ArtifactStore(session);
  if (!(await volumeExists(session)))
    return {volume: session.label, steps: [plannedBase(base !== undefined), ...planEmpty(steps)]};
  return {
    volume: session.label,
    steps: [plannedBase(base !== undefined), ...(await planSteps(steps, store, base))],
  };
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

/** What a volume holds. */
export async function status(options: CommonOptions = {}): Promise<VolumeStatus> {
  await using session = await openSession(options);
  if (!(await volumeExists(session)))
    return {volume: session.label, exists: false, sizeBytes: 0, entries: []};
  const entries = [...(await new ArtifactStore(session).entries()).values()]
    .sort((a, b) => (a.createdAt < b.createdAt ? 1 : -1))
    .map((entry) => ({
      step: entry.step,
      fingerprint: entry.fingerprint,
      createdAt: entry.createdAt,
      sizeBytes: entry.files.reduce((sum, file) => sum + file.sizeBytes, 0),
      artifacts: artifactsOf(entry),
    }));
  return {
    volume: session.label,
    exists: true,
    sizeBytes: entries.reduce((sum, entry) => sum + entry.sizeBytes, 0),
    entries,
  };
}
