import type {Lock, LockedPreload} from '../../configs/lock-file.ts';
import type {Configs} from '../../configs/schema.ts';
import {wantedImages, type ImagePins} from '../components/pins.ts';
import {boardPlatform} from '../components/preload.ts';
import type {RegistryCache} from '../registry/registry-cache.ts';

/** What a lock says about the Docker images of a configuration. */
export interface LockedImages {
  readonly pins: ImagePins;
  /** Those that it does not have. */
  readonly open: readonly string[];
  /** Why, one sentence each. */
  readonly differences: readonly string[];
}

/** Takes the digests out of a lock for those images that it has. */
export function lockedImages(lock: Lock | undefined, configs: Configs): LockedImages {
  const wanted = wantedImages(configs);
  const known = new Map(
    Object.entries(lock?.images ?? {})
      .filter(([name]) => wanted.includes(name))
      .map(([name, {digest}]) => [name, digest]),
  );
  const open = wanted.filter((name) => !known.has(name));
  return {
    pins: known,
    open,
    differences: open.map((name) => `rpi_sd_image.preload: ${name} is not in the lock`),
  };
}

/**
 * Asks the registries for the digests that are not known yet.
 *
 * @throws PipelineError `REGISTRY_FAILED` naming the image.
 */
export async function pinImages(
  {pins, open}: Pick<LockedImages, 'pins' | 'open'>,
  cache: RegistryCache,
  signal?: AbortSignal,
): Promise<ImagePins> {
  const asked = await Promise.all(
    open.map(async (name) => [name, await cache.resolve(name, boardPlatform, signal)] as const),
  );
  return new Map([...pins, ...asked]);
}

/** The digests as a lock has them. */
export function lockImages(pins: ImagePins): Record<string, LockedPreload> {
  return Object.fromEntries([...pins].map(([name, digest]) => [name, {digest}]));
}
