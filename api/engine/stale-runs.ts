import type {ArtifactStore} from '../../volumes/artifact-store.ts';
import type {ImageCache} from '../../volumes/image-cache.ts';
import type {PackageCache} from '../../volumes/package-cache.ts';
import {label} from '../docker/labels.ts';
import type {EngineSession} from './session.ts';

/** A container or view younger than this may belong to a run whose attendant has not started yet. */
const graceMs = 10 * 60_000;

/**
 * Removes the containers, views and unfinished images of runs that are gone.
 *
 * @returns ids of the runs that are alive, this one included.
 */
export async function removeStaleRuns(session: EngineSession): Promise<readonly string[]> {
  const containers = await session.containers.list(label.run);
  const live = new Set([session.runId]);
  for (const container of containers) {
    if (container.labels[label.role] === 'attendant' && container.running)
      live.add(container.labels[label.run] ?? '');
  }
  // A run that had an attendant and lost it is dead at once; one that never had any is given time to start.
  const hadAttendant = new Set(
    containers
      .filter((found) => found.labels[label.role] === 'attendant' && found.ended)
      .map((found) => found.labels[label.run]),
  );
  const isStale = (labels: Readonly<Record<string, string>>, createdAt: Date | undefined) => {
    const run = labels[label.run] ?? '';
    if (live.has(run)) return false;
    return hadAttendant.has(run) || createdAt === undefined || Date.now() - createdAt.getTime() > graceMs;
  };
  await Promise.all(
    containers
      .filter((found) => isStale(found.labels, found.createdAt))
      .map((found) => session.containers.get(found.id).remove()),
  );
  const views = await session.volumes.list(label.run);
  // The engine refuses to remove a view that a container still uses.
  await Promise.all(
    views
      .filter((view) => isStale(view.labels, view.createdAt))
      .map((view) => session.volumes.remove(view.name)),
  );
  await removeUnfinishedImages(session, isStale);
  return [...live];
}

/** The names of images that a killed run was making; each ends with the id of its run. */
async function removeUnfinishedImages(
  session: EngineSession,
  isStale: (labels: Readonly<Record<string, string>>, createdAt: Date) => boolean,
): Promise<void> {
  for (const {tags, createdAt} of await session.images.list(label.image)) {
    for (const tag of tags) {
      const run = /:unfinished-([0-9a-f]+)$/.exec(tag)?.[1];
      if (run !== undefined && isStale({[label.run]: run}, createdAt)) await session.images.remove(tag);
    }
  }
}

/** Removes what killed runs left in the engine, in the volume and in the package volume. */
export async function sweepVolume(
  session: EngineSession,
  store: ArtifactStore,
  packages: PackageCache,
  images: ImageCache,
): Promise<void> {
  // In this order: the run of a folder that is there now is in the list, if it is alive.
  const folders = await store.workFolders();
  const downloads = await packages.incomingFolders();
  const saving = await images.savingRuns();
  const live = await removeStaleRuns(session);
  await store.sweep(live, folders);
  await packages.sweep(live, downloads);
  await images.sweep(live, saving);
}
