import {loadConfigs} from '../../configs/load-config.ts';
import {readLock} from '../../configs/lock-file.ts';
import type {PackageOptions, UpgradeResult} from '../options.ts';
import {configLocation} from './config-location.ts';
import {lockLocation} from './lock.ts';
import {relock} from './relock.ts';
import {upgradeImage, type ImageOptions} from './volume.ts';

export type UpgradeOptions = ImageOptions & PackageOptions;

/**
 * Makes the base image anew and locks what the mirror has today. Nothing is built; the next build takes it from there.
 *
 * @throws PipelineError as `build` does.
 */
export async function upgrade(options: UpgradeOptions = {}): Promise<UpgradeResult> {
  // A mistake in one of the files is found before anything is thrown away.
  const lockFile = lockLocation(await loadConfigs(configLocation(options), options.variant), options);
  if (lockFile !== undefined) await readLock(lockFile);
  const image = await upgradeImage(options);
  const lock = await relock({...options, verbosity: 'debug'});
  return {image, ...(lock !== undefined && {lock})};
}
