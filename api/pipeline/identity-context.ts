import type {ResolvedConfigs} from '../../configs/load-config.ts';
import {readLock} from '../../configs/lock-file.ts';
import type {Step} from '../components/step.ts';
import {findBaseImage} from '../engine/base-image.ts';
import {builtinBuildImages} from '../engine/build-image.ts';
import type {EngineSession} from '../engine/session.ts';
import type {BuildOptions} from '../options.ts';
import {lockedLists, lockLocation} from './lock.ts';
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
  resolved: ResolvedConfigs,
  steps: readonly Step[],
  options: Pick<BuildOptions, 'image' | 'sourceDateEpoch' | 'target' | 'lockFile'>,
): Promise<IdentityContext | undefined> {
  const epoch = epochFromUser(options.sourceDateEpoch);
  const lockFile = lockLocation(resolved, options);
  const lock = lockFile === undefined ? undefined : await readLock(lockFile);
  const baseImage = await findBaseImage(session, {
    configs: resolved.components,
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
