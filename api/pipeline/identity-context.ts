import type {Lock} from '../../configs/lock-file.ts';
import type {Step} from '../components/step.ts';
import {findBaseImage, lockedBaseIdentity} from '../engine/base-image.ts';
import {builtinBuildImages} from '../engine/build-image.ts';
import type {EngineSession} from '../engine/session.ts';
import type {BuildOptions} from '../options.ts';
import type {Project} from './load-project.ts';
import {lockedLists, type LockedLists} from './lock.ts';
import type {IdentityContext} from './identify-step.ts';
import {epochFromUser} from './source-date-epoch.ts';

/**
 * What a build with these options would identify its steps with.
 *
 * @param steps in the order of the graph.
 * @returns undefined while the engine does not have the base image, which is part of every identity.
 */
export async function findIdentityContext(
  session: EngineSession,
  {components, lock}: Pick<Project, 'components' | 'lock'>,
  steps: readonly Step[],
  options: Pick<BuildOptions, 'image' | 'sourceDateEpoch'>,
): Promise<IdentityContext | undefined> {
  const epoch = epochFromUser(options.sourceDateEpoch);
  const baseImage = await findBaseImage(session, {
    configs: components,
    image: options.image,
    locked: lock?.base_image.architectures[session.engine.architecture],
  });
  if (baseImage === undefined) return undefined;
  const locked = lockedLists(lock, steps);
  return {
    baseImage,
    buildImages: builtinBuildImages(),
    epoch: epoch ?? lock?.source_date_epoch ?? baseImage.archiveDate,
    lists: locked.lists,
    previousLists: locked.previous,
  };
}

/**
 * What identifies the steps of a build from a lock, on an engine that does not have the base image yet.
 *
 * @param architecture of the engine: the lock may know the tools of several kinds.
 * @returns undefined where the lock leaves something open.
 */
export async function lockedIdentityContext(
  lock: Lock | undefined,
  locked: LockedLists,
  {
    from,
    architecture,
    epoch,
  }: {readonly from: string; readonly architecture: string; readonly epoch?: number | undefined},
): Promise<IdentityContext | undefined> {
  const tools = lock?.base_image.architectures[architecture];
  if (lock === undefined || tools === undefined || locked.differences.length > 0) return undefined;
  if (lock.base_image.from !== from) return undefined;
  return {
    // The date of its archive is asked for where a list has to be resolved only, and the lock has all of them.
    baseImage: {
      reference: '',
      identity: await lockedBaseIdentity(tools),
      archiveDate: lock.source_date_epoch,
    },
    buildImages: builtinBuildImages(),
    epoch: epoch ?? lock.source_date_epoch,
    lists: locked.lists,
    previousLists: locked.previous,
  };
}
