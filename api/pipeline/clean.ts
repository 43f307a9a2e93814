import {ArtifactStore} from '../../volumes/artifact-store.ts';
import {findAnyBaseImage} from '../engine/base-image.ts';
import {label} from '../docker/labels.ts';
import {parseComponentNames} from '../components/components.ts';
import {openSession, volumeExists} from '../engine/open-session.ts';
import type {EngineSession} from '../engine/session.ts';
import {removeStaleRuns} from '../engine/stale-runs.ts';
import {PipelineError} from '../errors.ts';
import type {CleanOptions, CleanResult} from '../options.ts';
import {findReachable} from './clean-reachable.ts';
import {cleanRegistry} from './clean-registry.ts';
import {selectEntries, sizeOf, withSize} from './clean-selection.ts';
import {toStoredStep} from './inspect.ts';
import {cleanPackageVolume} from './package-volume.ts';

/**
 * Frees what is asked for: stored artifacts by component, age, size or use, or everything that hypriotkit has in the
 * engine and in the volume. Packages go only when they are asked for. The user's files in a mapped folder and in targets are never touched.
 *
 * @throws PipelineError `VOLUME_BUSY` when another run works on the volume.
 *
 * @example
 * await clean({keepBytes: 10 * 1024 ** 3});
 */
export async function clean(options: CleanOptions = {}): Promise<CleanResult> {
  const components = parseComponentNames(options.components ?? []);
  checkLimits(options);
  if (options.packages === true) {
    if (components.length > 0) {
      throw new PipelineError('USAGE', 'packages belong to no component: they are removed as a whole', {
        hint: 'Leave out the components, or --packages.',
      });
    }
    return cleanPackageVolume(options);
  }
  if (options.registry !== undefined) return cleanRegistry(options.registry, options);
  await using session = await openSession(options);
  if (options.dryRun !== true) {
    const live = await removeStaleRuns(session);
    if (live.length > 1) await refuseWhileBusy(session);
  }
  const {unreachable = false, olderThanMs, keepBytes} = options;
  if (components.length > 0 || unreachable || olderThanMs !== undefined || keepBytes !== undefined) {
    return await cleanEntries(session, options, components);
  }
  return await cleanAll(session, options.dryRun === true);
}

function checkLimits({olderThanMs, keepBytes}: CleanOptions): void {
  for (const [name, value] of Object.entries({olderThanMs, keepBytes})) {
    if (value !== undefined && !(value >= 0)) {
      throw new PipelineError('USAGE', `${name} must be a number of at least 0, not ${value}`);
    }
  }
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

/** Removes the entries that meet every criterion. */
async function cleanEntries(
  session: EngineSession,
  options: CleanOptions,
  components: readonly string[],
): Promise<CleanResult> {
  const nothing = {volume: session.label, removed: [], freedBytes: 0, entries: []};
  if (!(await volumeExists(session))) return nothing;
  const store = new ArtifactStore(session);
  const selected = selectEntries([...(await store.entries()).values()].map(withSize), {
    components: components.length > 0 ? new Set(components) : undefined,
    isReachable: options.unreachable === true ? await findReachable(session, store, options) : undefined,
    olderThanMs: options.olderThanMs,
    keepBytes: options.keepBytes,
  });
  if (selected.length > 0 && options.dryRun !== true) {
    await useAnyBaseImage(session);
    await store.remove(selected.map((entry) => entry.fingerprint));
  }
  return {
    volume: session.label,
    removed: selected.map((entry) => `${entry.step} of ${entry.createdAt}`),
    freedBytes: selected.reduce((sum, entry) => sum + sizeOf(entry), 0),
    entries: selected.map(toStoredStep),
  };
}

async function cleanAll(session: EngineSession, dryRun: boolean): Promise<CleanResult> {
  const exists = await volumeExists(session);
  const entries = exists ? [...(await new ArtifactStore(session).entries()).values()] : [];
  const shared = {volume: session.label, entries: selectEntries(entries.map(withSize), {}).map(toStoredStep)};
  const freedBytes = entries.reduce((sum, entry) => sum + sizeOf(entry), 0);
  const volume = exists ? await cleanVolume(session, entries.length > 0, dryRun) : [];
  if (dryRun) return {...shared, removed: volume, freedBytes};
  const images = await removeImages(session);
  return {...shared, removed: [...volume, ...images.removed], freedBytes: freedBytes + images.freedBytes};
}

/** Removes a named volume, or the store in a folder; says what. */
async function cleanVolume(session: EngineSession, hasEntries: boolean, dryRun: boolean): Promise<string[]> {
  if (session.volume.kind === 'named') {
    if (!dryRun) await session.volumes.remove(session.volume.name);
    return [`volume ${session.label}`];
  }
  if (!hasEntries) return [];
  if (!dryRun) {
    await useAnyBaseImage(session);
    await new ArtifactStore(session).destroy();
  }
  return [`the store in ${session.label}`];
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
