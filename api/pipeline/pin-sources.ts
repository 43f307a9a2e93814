import {isCommitId} from '../../configs/git-reference.ts';
import type {Lock, LockedSource} from '../../configs/lock-file.ts';
import type {Configs} from '../../configs/schema.ts';
import {wantedFolders, type Pins, type WantedFolder} from '../components/pins.ts';
import type {GitCache} from '../git/git-cache.ts';
import {withoutPassword} from '../git/git-error.ts';

/** What a lock says about the git repositories of a configuration. */
export interface LockedPins {
  readonly pins: Pins;
  /** Those that it does not have, or has otherwise. */
  readonly open: readonly WantedFolder[];
  /** Why, one sentence each. */
  readonly differences: readonly string[];
}

/** Takes the commits out of a lock for those repositories that are asked for in the same way as when it was made. */
export function lockedPins(lock: Lock | undefined, configs: Configs): LockedPins {
  const wanted = wantedFolders(configs);
  const isLocked = ({field, repository, ref}: WantedFolder) => {
    const known = lockedSource(lock, field);
    return known?.repository === withoutPassword(repository) && known.ref === ref;
  };
  const open = wanted.filter((folder) => !isLocked(folder));
  return {
    pins: new Map(
      wanted
        .filter(isLocked)
        .map((folder) => [folder.field, {...folder, commit: lockedSource(lock, folder.field)?.commit ?? ''}]),
    ),
    open,
    differences: open.map((folder) => difference(folder, lockedSource(lock, folder.field))),
  };
}

/**
 * Asks the repositories for the commits that are not known yet.
 *
 * @throws PipelineError `SOURCE_UNAVAILABLE` naming the repository.
 */
export async function pinSources(
  {pins, open}: Pick<LockedPins, 'pins' | 'open'>,
  cache: GitCache,
  signal?: AbortSignal,
): Promise<Pins> {
  const asked = await Promise.all(
    open.map(async (folder) => ({
      ...folder,
      commit: await cache.resolve(folder.repository, folder.ref, signal),
    })),
  );
  return new Map([...pins, ...asked.map((folder) => [folder.field, folder] as const)]);
}

/** The commits as a lock has them. */
export function lockSources(pins: Pins): Record<string, LockedSource> {
  return Object.fromEntries(
    [...pins].map(([field, {repository, ref, commit}]) => [
      field,
      {repository: withoutPassword(repository), ref, commit},
    ]),
  );
}

function lockedSource(lock: Lock | undefined, field: string): LockedSource | undefined {
  return lock?.sources !== undefined && Object.hasOwn(lock.sources, field) ? lock.sources[field] : undefined;
}

function difference({field, repository, ref}: WantedFolder, known: LockedSource | undefined): string {
  const show = (address: string, name: string) =>
    `${withoutPassword(address)}#${isCommitId(name) ? name.slice(0, 12) : name}`;
  return known === undefined
    ? `${field} is not in the lock`
    : `${field} ${show(known.repository, known.ref)} → ${show(repository, ref)}`;
}
