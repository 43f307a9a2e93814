import {mkdir, rm, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {storeFolder} from '../../volumes/artifact-store.ts';
import {connectDocker} from '../docker/client.ts';
import {contentLabelValue, label} from '../docker/labels.ts';
import {PipelineError} from '../errors.ts';
import {defaultVolume, type CommonOptions} from '../options.ts';
import {EngineSession} from './session.ts';
import {parseVolumeReference} from './volume-reference.ts';

/** Connects to the engine for work on a volume, which need not exist yet. */
export async function openSession(options: CommonOptions): Promise<EngineSession> {
  const volume = parseVolumeReference(options.volume ?? defaultVolume);
  return new EngineSession(await connectDocker(options.host), volume);
}

export async function volumeExists(session: EngineSession): Promise<boolean> {
  return session.volume.kind === 'folder' || (await session.volumes.find(session.volume.name)) !== undefined;
}

/**
 * Creates the named volume if it does not exist; makes sure that a folder is the same one for the engine and for us.
 *
 * @throws PipelineError `VOLUME_UNUSABLE`.
 */
export async function ensureSessionVolume(session: EngineSession): Promise<void> {
  const {volume} = session;
  if (volume.kind === 'named') {
    await session.volumes.create(volume.name, {[label.content]: contentLabelValue});
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
    const seen = await session.readFolder(storeFolder).catch(() => new Map<string, Buffer>());
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
