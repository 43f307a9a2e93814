import {createHash} from 'node:crypto';
import {buffer} from 'node:stream/consumers';
import type {Readable} from 'node:stream';
import {pipeline} from 'node:stream/promises';
import {createGunzip} from 'node:zlib';
import {extract} from 'tar-stream';
import type {LockedImage} from '../../configs/lock-file.ts';
import type {ImageCache, SavedImage} from '../../volumes/image-cache.ts';
import {ImageOperationError} from '../docker/images.ts';
import {PipelineError} from '../errors.ts';
import type {EngineSession} from './session.ts';

/** A list of the images in a file is some hundred bytes. */
const longestManifest = 64 * 1024;

/** Where the files of images lie. */
export type ImageFiles = Pick<ImageCache, 'label' | 'open'>;

/** Why an image that a lock names could not be taken from the package volume. */
export type NotRestored = 'absent' | 'damaged' | 'foreign';

/** The tag of an image that a lock names: whatever else the engine has, it stays what it is. */
export function lockedTag(repository: string, {content}: LockedImage): string {
  return `${repository}:locked-${content.slice(0, 16)}`;
}

/** Keeps an image of the engine in the package volume, unless it is there. */
export async function keepImage(
  session: EngineSession,
  cache: ImageCache,
  reference: string,
): Promise<SavedImage> {
  const image = await session.images.find(reference);
  if (image === undefined) throw new Error(`the image ${reference} has been removed`);
  const known = await cache.find(image.content);
  return known ?? (await cache.save(image.content, session.runId, await session.images.save(image.id)));
}

/**
 * Loads the image that a lock names. Nothing of the file is given to the engine before all of
 * it has been read and has the digest that the lock says; and what the engine then has must be the image of the lock.
 *
 * @param tag The name that it gets.
 * @returns undefined when it is there, else why it is not: no file, another digest, or an image for another engine.
 * @throws PipelineError `IMAGE_UNAVAILABLE` for a file with the right digest and another image: the lock has been forged.
 */
export async function restoreImage(
  session: EngineSession,
  cache: ImageFiles,
  locked: LockedImage,
  tag: string,
): Promise<NotRestored | undefined> {
  const sha256 = await cache.open(locked, digestOf);
  if (sha256 === undefined) return 'absent';
  if (sha256 !== locked.sha256) return 'damaged';
  // A file that names its image itself could take the name of any other image of the engine.
  if (!(await cache.open(locked, isOneWithoutName).catch(() => false))) {
    throw forged(cache, tag, 'holds something else than one image without a name');
  }
  const id = await cache.open(locked, (file) => load(session, file));
  if (id === undefined) return 'absent';
  const found = await session.images.find(id);
  if (found?.content !== locked.content) {
    if (found?.tags.length === 0) await session.images.remove(id);
    throw forged(cache, tag, `holds another image, ${found?.content ?? id}`);
  }
  if (found.architecture !== session.engine.architecture) return 'foreign';
  await session.images.tag(id, tag);
  return undefined;
}

async function load(session: EngineSession, file: Readable): Promise<string> {
  try {
    return await session.images.load(file);
  } catch (error) {
    if (!(error instanceof ImageOperationError)) throw error;
    throw new PipelineError('IMAGE_UNAVAILABLE', `the engine cannot load an image: ${error.message}`, {
      hint: 'Is there room left on its disk?',
      cause: error,
    });
  }
}

async function digestOf(file: Readable): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(file, hash);
  return hash.digest('hex');
}

/** Whether a file holds one image that brings no name with it. */
async function isOneWithoutName(file: Readable): Promise<boolean> {
  const archive = extract();
  const unpacked = pipeline(file, createGunzip(), archive);
  let manifest: Buffer | undefined;
  const read = (async () => {
    for await (const entry of archive) {
      const isManifest = entry.header.name === 'manifest.json' && entry.header.size <= longestManifest;
      if (isManifest) manifest = await buffer(entry);
      else entry.resume();
    }
  })();
  await Promise.all([unpacked, read]);
  if (manifest === undefined) return false;
  const images = JSON.parse(manifest.toString('utf8')) as {RepoTags?: readonly string[] | null}[];
  const [image, ...others] = images;
  return image !== undefined && others.length === 0 && (image.RepoTags ?? []).length === 0;
}

function forged(cache: ImageFiles, tag: string, what: string): PipelineError {
  return new PipelineError(
    'IMAGE_UNAVAILABLE',
    `the file for ${tag} in ${cache.label} ${what}; it is not used`,
    {hint: 'Somebody has changed the lock or the volume: take the lock from where it was made.'},
  );
}
