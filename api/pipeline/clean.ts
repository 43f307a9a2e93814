import {ArtifactStore} from '../../volumes/artifact-store.ts';
import {findAnyBaseImage} from '../engine/base-image.ts';
import {label} from '../docker/labels.ts';
import {parseComponentNames} from '../components/components.ts';
import {openSession, volumeExists} from '../engine/open-session.ts';
import type {EngineSession} from '../engine/session.ts';
import {removeStaleRuns} from '../engine/stale-runs.ts';
import {PipelineError} from '../errors.ts';
import type {CleanOptions, CleanResult} from '../options.ts';

/**
 * Frees what is asked for: the stored artifacts of some components, or everything that hypriotkit has in the engine
 * and in the volume. The user's files in a mapped folder and in targets are never touched.
 *
 * @throws PipelineError `VOLUME_BUSY` when another run works on the volume.
 */
export async function clean(options: CleanOptions = {}): Promise<CleanResult> {
  const components = parseComponentNames(options.components ?? []);
  await using session = await openSession(options);
  const live = await removeStaleRuns(session);
  if (live.length > 1) await refuseWhileBusy(session);
  if (components.length > 0) return await cleanComponents(session, new Set<string>(components));
  const result = await cleanVolume(session);
  const images = await removeImages(session);
  return {
    volume: session.label,
    removed: [...result.removed, ...images.removed],
    freedBytes: result.freedBytes + images.freedBytes,
  };
}

async function refuseWhileBusy(session: EngineSession): Promise<void> {
  const others = await session.containers.list(`${label.volume}=${session.volume.id}`);
  const busy = others.find((found) => found.running && found.labels[label.run] !== session.runId);
  if (busy === undefined) return;
  throw new PipelineError(
    'VOLUME_BUSY',
    `${busy.labels[label.owner] ?? 'another run'} is working on ${session.label}`,
    {
      hint: 'Wait until it is done, or stop it.',
    },
  );
}

async function cleanComponents(
  session: EngineSession,
  components: ReadonlySet<string>,
): Promise<CleanResult> {
  if (!(await volumeExists(session))) return {volume: session.label, removed: [], freedBytes: 0};
  const store = new ArtifactStore(session);
  const entries = [...(await store.entries()).values()].filter((entry) =>
    components.has(entry.step.replace(/\..*/, '')),
  );
  if (entries.length > 0) {
    await useAnyBaseImage(session);
    await store.remove(entries.map((entry) => entry.fingerprint));
  }
  return {
    volume: session.label,
    removed: entries.map((entry) => `${entry.step} of ${entry.createdAt}`),
    freedBytes: entries.reduce(
      (sum, entry) => sum + entry.files.reduce((bytes, file) => bytes + file.sizeBytes, 0),
      0,
    ),
  };
}

async function cleanVolume(session: EngineSession): Promise<{removed: string[]; freedBytes: number}> {
  if (!(await volumeExists(session))) return {removed: [], freedBytes: 0};
  const store = new ArtifactStore(session);
  const entries = [...(await store.entries()).values()];
  const freedBytes = entries.flatMap((entry) => entry.files).reduce((sum, file) => sum + file.sizeBytes, 0);
  if (session.volume.kind === 'named') {
    await session.volumes.remove(session.volume.name);
    return {removed: [`volume ${session.label}`], freedBytes};
  }
  if (entries.length === 0) return {removed: [], freedBytes: 0};
  await useAnyBaseImage(session);
  await store.destroy();
  return {removed: [`the store in ${session.label}`], freedBytes};
}

async function useAnyBaseImage(session: EngineSession): Promise<void> {
  const reference = await findAnyBaseImage(session);
  if (reference === undefined) {
    throw new PipelineError(
      'IMAGE_UNAVAILABLE',
      'the base image, which does the work in the volume, is not there',
      {
        hint: 'hypriotkit build base_image makes it.',
      },
    );
  }
  session.useBaseImage(reference);
}

/** Removes every image of ours, the ones made from others first. */
async function removeImages(session: EngineSession): Promise<{removed: string[]; freedBytes: number}> {
  const removed: string[] = [];
  let freedBytes = 0;
  const images = await session.images.list(label.image);
  for (const image of images) {
    for (const tag of image.tags.length > 0 ? image.tags : [image.id]) {
      if (await session.images.remove(tag)) removed.push(`image ${tag}`);
    }
  }
  const left = new Set((await session.images.list(label.image)).map((image) => image.id));
  for (const image of images) if (!left.has(image.id)) freedBytes += image.sizeBytes;
  return {removed, freedBytes};
}
