import {loadConfigs} from '../../configs/load-config.ts';
import {ArtifactStore} from '../../volumes/artifact-store.ts';
import type {StoreEntry} from '../../volumes/store-entry.ts';
import {ensureBaseImage, findAnyBaseImage, forgetBaseImage} from '../engine/base-image.ts';
import {ensureSessionVolume, openSession, volumeExists} from '../engine/open-session.ts';
import {PipelineError} from '../errors.ts';
import type {DeliveredArtifact} from '../events/event.ts';
import type {CommonOptions, ConfigOptions} from '../options.ts';
import {allSteps} from '../components/components.ts';
import {configLocation} from './config-location.ts';
import {deliver, prepareTarget} from './deliver.ts';
import {matchesOutput} from './match-outputs.ts';
import {filterByVerbosity} from './verbosity.ts';

export interface ImageOptions extends CommonOptions, ConfigOptions {
  /** An image to use instead of one made as `base_image` says; pulled when absent. */
  readonly image?: string;
}

/**
 * Makes sure that the engine has the base image.
 *
 * @returns its reference.
 * @throws PipelineError `IMAGE_UNAVAILABLE` or `IMAGE_BUILD_FAILED`.
 */
export async function ensureImage(options: ImageOptions = {}): Promise<string> {
  const emit = filterByVerbosity('debug', options.onEvent);
  const {components: configs} = await loadConfigs(configLocation(options), options.variant);
  await using session = await openSession(options);
  const image = await ensureBaseImage(
    session,
    {configs, image: options.image},
    (message) => emit({type: 'step-progress', step: 'base_image', message}),
    (line) => emit({type: 'step-output', step: 'base_image', stream: 'stdout', line}),
    options.signal,
  );
  return image.reference;
}

/**
 * Makes the base image anew from what registry and package archive have today. Later builds then use it, and rebuild
 * what depends on packages that changed.
 *
 * @returns its reference.
 */
export async function upgradeImage(options: ImageOptions = {}): Promise<string> {
  const {components: configs} = await loadConfigs(configLocation(options), options.variant);
  {
    await using session = await openSession(options);
    if (options.image === undefined) await forgetBaseImage(session, configs);
    else await session.images.pull(options.image, options.signal ? {signal: options.signal} : {});
  }
  return ensureImage(options);
}

/** Creates the volume if it does not exist. Nothing to do for a folder but to check that the engine sees it. */
export async function ensureVolume(options: CommonOptions = {}): Promise<void> {
  await using session = await openSession(options);
  await ensureSessionVolume(session);
}

/**
 * Removes a named volume with everything in it. A folder is the user's: it is left alone.
 *
 * @throws PipelineError `VOLUME_NOT_FOUND`, or `VOLUME_BUSY` when a container uses it.
 */
export async function destroyVolume(options: CommonOptions = {}): Promise<void> {
  await using session = await openSession(options);
  if (session.volume.kind === 'folder') return;
  if (!(await volumeExists(session)))
    throw new PipelineError('VOLUME_NOT_FOUND', `there is no volume ${session.label}`);
  if (!(await session.volumes.remove(session.volume.name))) {
    throw new PipelineError('VOLUME_BUSY', `a container uses the volume ${session.label}`);
  }
}

/**
 * Copies the newest artifacts of every component that the volume holds to a folder.
 *
 * @throws PipelineError `VOLUME_NOT_FOUND`, `TARGET_UNUSABLE` or `ARTIFACT_CORRUPT`.
 */
export async function getVolumeContent(
  options: CommonOptions & {readonly target: string},
): Promise<DeliveredArtifact[]> {
  const {components: configs} = await loadConfigs({});
  await using session = await openSession(options);
  if (!(await volumeExists(session)))
    throw new PipelineError('VOLUME_NOT_FOUND', `there is no volume ${session.label}`);
  const folder = await prepareTarget(options.target);
  const store = new ArtifactStore(session);
  const newest = new Map<string, StoreEntry>();
  for (const entry of (await store.entries()).values()) {
    const known = newest.get(entry.step);
    if (known === undefined || known.createdAt < entry.createdAt) newest.set(entry.step, entry);
  }
  const base = await findAnyBaseImage(session);
  if (base !== undefined) session.useBaseImage(base);
  const delivered: DeliveredArtifact[] = [];
  for (const step of allSteps(configs)) {
    const entry = newest.get(step.name);
    if (entry === undefined) continue;
    // Names follow the configuration that the entry was built with; its kind of output does not.
    const internal = step.outputs.filter((output) => !output.delivered);
    const files = entry.files.filter(
      (file) => !internal.some((output) => matchesOutput(output.name, file.name)),
    );
    const signal = options.signal ?? new AbortController().signal;
    delivered.push(
      ...(await deliver(store, entry, files, folder, options.onEvent ?? (() => undefined), signal)),
    );
  }
  return delivered;
}
