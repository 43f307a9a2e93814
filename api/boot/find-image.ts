import {createReadStream} from 'node:fs';
import {open, readdir, stat} from 'node:fs/promises';
import {join, resolve} from 'node:path';
import {pipeline} from 'node:stream/promises';
import {pack} from 'tar-stream';
import {PassThrough} from 'node:stream';
import type {ArtifactStore, WorkFolder} from '../../volumes/artifact-store.ts';
import {PipelineError} from '../errors.ts';
import type {EngineSession} from '../engine/session.ts';
import {sha256File} from '../archive/sha256-file.ts';

/** An image inside the volume, ready to be mounted. */
export interface LocatedImage {
  /** What to call it in messages. */
  readonly label: string;
  /** Folder in the volume, relative to its root. */
  readonly folder: string;
  readonly name: string;
  /** The copy to remove afterwards, when one had to be made. */
  readonly work?: WorkFolder;
}

/**
 * Finds the image to boot: the file that is named, else the one in the target, else the newest in the volume. A file
 * that the volume does not hold is copied into a work folder there, since the engine may be on another machine.
 *
 * @throws PipelineError `USAGE` when there is none, or the file is no disk image.
 */
export async function locateImage(
  session: EngineSession,
  store: ArtifactStore,
  wanted: {readonly image?: string | undefined; readonly target?: string | undefined},
  progress: (message: string) => void,
): Promise<LocatedImage> {
  const path = wanted.image !== undefined ? resolve(wanted.image) : await findInTarget(wanted.target);
  if (path === undefined) return newestStored(store);
  await checkDiskImage(path);
  progress(`reading ${path}`);
  const sha256 = await sha256File(path);
  for (const entry of (await store.entries()).values()) {
    const file = entry.files.find((candidate) => candidate.sha256 === sha256);
    if (file !== undefined && (await store.findCorrupt(entry, [file.name])).length === 0) {
      return {label: path, folder: store.pathOf(entry), name: file.name};
    }
  }
  progress(`copying ${path} to the engine`);
  const work = await store.openWork(`${session.runId}.boot`);
  await upload(session, path, work);
  return {label: path, folder: work.path, name: 'image.img', work};
}

async function findInTarget(target: string | undefined): Promise<string | undefined> {
  if (target === undefined) return undefined;
  const names = await readdir(target).catch(() => []);
  const images = names.filter((name) => name.endsWith('.img') && !name.startsWith('.'));
  const dated = await Promise.all(
    images.map(async (name) => ({
      path: resolve(join(target, name)),
      ms: (await stat(join(target, name))).mtimeMs,
    })),
  );
  return dated.sort((a, b) => b.ms - a.ms)[0]?.path;
}

async function newestStored(store: ArtifactStore): Promise<LocatedImage> {
  const newest = [...(await store.entries()).values()]
    .filter((entry) => entry.step === 'rpi_sd_image')
    .sort((a, b) => (a.createdAt < b.createdAt ? 1 : -1))[0];
  const file = newest?.files.find((candidate) => candidate.name.endsWith('.img'));
  if (newest === undefined || file === undefined) {
    throw new PipelineError('USAGE', 'there is no image to boot: none is named, and the volume holds none', {
      hint: 'Name one (hypriotkit boot out/image.img), or build one first (hypriotkit build rpi_sd_image).',
    });
  }
  return {label: file.name, folder: store.pathOf(newest), name: file.name};
}

/** A disk image begins with a boot sector that ends in 55 AA; a compressed one does not. */
async function checkDiskImage(path: string): Promise<void> {
  let handle;
  try {
    handle = await open(path, 'r');
  } catch (error) {
    throw new PipelineError('USAGE', `the image ${path} cannot be read: ${(error as Error).message}`, {
      cause: error,
    });
  }
  try {
    const {buffer, bytesRead} = await handle
      .read(Buffer.alloc(512), 0, 512, 0)
      .catch(() => ({buffer: Buffer.alloc(0), bytesRead: 0}));
    if (bytesRead === 512 && buffer.readUInt16BE(510) === 0x55aa) return;
  } finally {
    await handle.close();
  }
  throw new PipelineError('USAGE', `${path} is not a disk image`, {
    hint: /\.(zip|zst|gz|xz)$/.test(path)
      ? 'It is compressed: name the plain .img.'
      : 'It has no partition table.',
  });
}

async function upload(session: EngineSession, path: string, work: WorkFolder): Promise<void> {
  const {size} = await stat(path);
  const archive = pack();
  const entry = archive.entry({name: 'image.img', size, mode: 0o644}, () => archive.finalize());
  const tar = archive.pipe(new PassThrough());
  await Promise.all([
    pipeline(createReadStream(path, {highWaterMark: 1024 * 1024}), entry),
    session.writeArchive(work.path, tar),
  ]);
}
