import {loadConfigs, type ResolvedConfigs} from '../../configs/load-config.ts';
import {readLock, type Lock} from '../../configs/lock-file.ts';
import type {ImagePins, Pins} from '../components/pins.ts';
import {GitCache} from '../git/git-cache.ts';
import type {BuildOptions} from '../options.ts';
import {configLocation} from './config-location.ts';
import {lockLocation} from './lock.ts';
import {lockedImages, pinImages, type LockedImages} from './pin-images.ts';
import {lockedPins, pinSources, type LockedPins} from './pin-sources.ts';

/** A configuration with its lock, the commits of the git repositories and the digests of the images that it names. */
export interface Project extends ResolvedConfigs {
  /** Where the lock lies; undefined when there is no place for one. */
  readonly lockFile: string | undefined;
  readonly lock: Lock | undefined;
  readonly pins: Pins;
  readonly imagePins: ImagePins;
  /** How the repositories and images differ from the lock's, one sentence each. */
  readonly pinDifferences: readonly string[];
}

export type ProjectOptions = Pick<
  BuildOptions,
  'target' | 'config' | 'lockFile' | 'locked' | 'offline' | 'signal'
>;

/**
 * Reads what is to be built. Repositories and registries are asked for what the lock does not have, unless the build is
 * a strict one.
 *
 * @param refresh asks all of them, whatever the lock says.
 * @throws ConfigError for a configs.json or lock with mistakes.
 * @throws PipelineError `SOURCE_UNAVAILABLE` naming the repository, `REGISTRY_FAILED` naming the image.
 */
export async function loadProject(options: ProjectOptions, refresh = false): Promise<Project> {
  const resolved = await loadConfigs(configLocation(options));
  const lockFile = lockLocation(resolved, options);
  const lock = lockFile === undefined ? undefined : await readLock(lockFile);
  const locked = lockedPins(refresh ? undefined : lock, resolved.components);
  const images = lockedImages(refresh ? undefined : lock, resolved.components);
  return {
    ...resolved,
    lockFile,
    lock,
    pins: await pin(locked, options),
    imagePins: await pinRegistries(images, options),
    pinDifferences: [...locked.differences, ...images.differences],
  };
}

/** As {@link pin}. The client is loaded only where there is something to ask: it takes long. */
async function pinRegistries(
  locked: LockedImages,
  {locked: isLocked, offline, signal}: ProjectOptions,
): Promise<ImagePins> {
  if (isLocked === true || offline === true || locked.open.length === 0) return locked.pins;
  const {RegistryCache} = await import('../registry/registry-cache.ts');
  return pinImages(locked, new RegistryCache(), signal);
}

/** A strict build fails on what is not in the lock before it would need it. */
async function pin(locked: LockedPins, {locked: isLocked, offline, signal}: ProjectOptions): Promise<Pins> {
  if (isLocked === true || offline === true || locked.open.length === 0) return locked.pins;
  return pinSources(locked, new GitCache(), signal);
}
