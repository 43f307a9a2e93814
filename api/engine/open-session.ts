import {mkdir, rm, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {storeFolder} from '../../volumes/artifact-store.ts';
import type {VolumeHost} from '../../volumes/volume-host.ts';
import {connectDocker} from '../docker/client.ts';
import {contentLabelValue, label, packagesLabelValue} from '../docker/labels.ts';
import {PipelineError} from '../errors.ts';
import {defaultPackageVolume, defaultVolume, type CommonOptions, type PackageOptions} from '../options.ts';
import {EngineSession} from './session.ts';
import {parseVolumeReference, type VolumeReference} from './volume-reference.ts';

/** Connects to the engine for work on a volume, which need not exist yet. */
export async function openSession(options: CommonOptions): Promise<EngineSession> {
  const volume = parseVolumeReference(options.volume ?? defaultVolume);
  return new EngineSession(await connectDocker(options.host), volume);
}

/** The same for work that needs packages, too. */
export async function openPackageSession(options: CommonOptions & PackageOptions): Promise<EngineSession> {
  const volume = parseVolumeReference(options.volume ?? defaultVolume);
  const packageVolume = parseVolumeReference(options.packageVolume ?? defaultPackageVolume);
  return new EngineSession(await connectDocker(options.host), volume, packageVolume);
}

export async function volumeExists(session: EngineSession): Promise<boolean> {
  return session.volume.kind === 'folder' || (await session.volumes.find(session.volume.name)) !== undefined;
}

/**
 * Creates the named volumes if they do not exist; makes sure that a folder is the same one for the engine and for us.
 *
 * @throws PipelineError `VOLUME_UNUSABLE`.
 */
export async function ensureSessionVolume(session: EngineSession): Promise<void> {
  await ensureVolume(session, session, session.volume, contentLabelValue);
  if (session.packageVolume !== undefined)
    await ensureVolume(session, session.packageHost, session.packageVolume, packagesLabelValue);
}

async function ensureVolume(
  session: EngineSession,
  host: VolumeHost,
  volume: VolumeReference,
  content: string,
): Promise<void> {
  if (volume.kind === 'named') {
    await session.volumes.create(volume.name, {[label.content]: content});
    return;
  }
  const folder = join(volume.path, storeFolder);
  const token = join(folder, `token-${session.runId}`);
  try {
    await mkdir(folder, {recursive: true});
    await writeFile(token, session.runId);
  } catch (error) {
    throw new PipelineError(
      'VOLUME_UNUSABLE',
      `cannot write to the folder ${volume.path}: ${(error as Error).message}`,
      {
        hint: 'Name another folder, or a volume of the engine, with --volume.',
        cause: error,
      },
    );
  }
  try {
    const seen = await host.readFolder(storeFolder).catch(() => new Map<string, Buffer>());
    if (seen.get(`token-${session.runId}`)?.toString() !== session.runId) {
      throw new PipelineError(
        'VOLUME_UNUSABLE',
        `the engine ${session.engine.name} does not see the folder ${volume.path} of this machine`,
        {
          hint: 'A folder as volume needs an engine on the same machine: name a volume instead, and use --target for a copy.',
        },
      );
    }
  } finally {
    await rm(token, {force: true});
  }
}
