import {createHash} from 'node:crypto';
import {parseToolList, renderToolList, type LockedTool} from '../../configs/lock-file.ts';
import type {DockerContainer} from '../docker/containers.ts';
import {readTarFiles} from '../docker/tar.ts';
import type {EngineSession} from './session.ts';

/** The packages that an image with tools has, as it says itself. */
export async function readToolPackages(session: EngineSession, reference: string): Promise<LockedTool[]> {
  await using container = await session.createIdle('probe', reference);
  return parseToolList(await readToolFile(container, 'packages.tsv'));
}

/** One of the files that an image with tools says of itself. */
export async function readToolFile(container: DockerContainer, name: string): Promise<string> {
  const files = await readTarFiles(await container.readArchive(`/usr/share/hypriotkit/${name}`));
  return files.get(name)?.toString('utf8').trim() ?? '';
}

/** Hex digest over packages, in whatever order. */
export function toolsDigest(packages: readonly LockedTool[]): string {
  return createHash('sha256').update(renderToolList(packages)).digest('hex');
}
