import {createHash} from 'node:crypto';
import {join} from 'node:path';
import type {LockedTools} from '../../configs/lock-file.ts';
import type {Configs} from '../../configs/schema.ts';
import type {BuildContext} from '../docker/build-context.ts';
import {label} from '../docker/labels.ts';
import {PipelineError} from '../errors.ts';
import {baseIdentity, bootstrappedTag, buildBaseImage} from './build-base-image.ts';
import {buildImageContext, builtinBuildImages} from './build-image.ts';
import {lockedTag, restoreImage, type ImageFiles, type NotRestored} from './locked-image.ts';
import type {EngineSession} from './session.ts';
import {toolsDigest} from './tool-packages.ts';

export interface BaseImage {
  /** Reference under which the engine has it. */
  readonly reference: string;
  /** Digest over its build context and the packages in it: what the tools of every step are. */
  readonly identity: string;
  /** Date of the archive that its packages come from, in seconds since 1970. */
  readonly archiveDate: number;
  /** Digest over the list of its packages; absent on an image of an older hypriotkit. */
  readonly packagesDigest?: string;
}

export interface BaseImageRequest {
  readonly configs: Configs;
  /** An image that the user names; used as it is, pulled when absent. */
  readonly image?: string | undefined;
  /** Nothing may be pulled or built. */
  readonly offline?: boolean | undefined;
  /** What a lock says about the base image for engines like this one: preferred to any other. */
  readonly locked?: LockedTools | undefined;
}

/** The base image if the engine has it already: that of the lock before another one. */
export async function findBaseImage(
  session: EngineSession,
  request: BaseImageRequest,
): Promise<BaseImage | undefined> {
  const wanted = await wantedImage(session, request);
  const found = await readBaseImage(session, wanted.tag);
  if (found !== undefined && isLocked(found, request.locked)) return found;
  return (await findLocked(session, request, wanted)) ?? found;
}

/**
 * Makes sure that the engine has the base image: finds it, takes that of the lock from the package volume, pulls what
 * the user names, or builds it.
 *
 * @param places Where the image of a lock may be: the package volume, then registries.
 * @throws PipelineError `IMAGE_UNAVAILABLE` or `IMAGE_BUILD_FAILED`.
 */
export async function ensureBaseImage(
  session: EngineSession,
  request: BaseImageRequest,
  progress: (message: string) => void,
  onLine: (line: string) => void,
  signal?: AbortSignal,
  places: readonly ImageFiles[] = [],
): Promise<BaseImage> {
  const image = await provideBaseImage(session, request, progress, onLine, signal, places);
  if (request.image === undefined)
    await session.images.tag(image.reference, request.configs.base_image.image);
  return image;
}

async function provideBaseImage(
  session: EngineSession,
  request: BaseImageRequest,
  progress: (message: string) => void,
  onLine: (line: string) => void,
  signal: AbortSignal | undefined,
  places: readonly ImageFiles[],
): Promise<BaseImage> {
  const found = await findBaseImage(session, request);
  if (found !== undefined && isLocked(found, request.locked)) return found;
  let why: NotRestored | 'not locked' | 'other version' | undefined;
  for (const place of places) {
    const restored = await restoreLocked(session, request, progress, place);
    if (typeof restored === 'object') return restored;
    if (restored === 'damaged') progress(`the base image of the lock is damaged in ${place.label}`);
    // What is said of the first place, the package volume, is what somebody without a network can do something about.
    why ??= restored;
  }
  if (request.offline) throw unavailableOffline(found, places[0], why ?? 'not locked');
  if (found !== undefined) return found;
  if (request.image !== undefined) return pullNamedImage(session, request.image, progress, signal);
  const {tag, context} = await wantedImage(session, request);
  return buildBaseImage(session, request.configs, tag, context, progress, onLine, signal);
}

/** The identity of the base image that a lock names, which need not be there. */
export async function lockedBaseIdentity({packages}: LockedTools): Promise<string> {
  return baseIdentity(
    await buildImageContext(join(builtinBuildImages(), 'base_image')),
    toolsDigest(packages),
  );
}

/** Whether an image has the packages that a lock says; without a lock every image has. */
function isLocked(image: BaseImage, locked: LockedTools | undefined): boolean {
  return locked === undefined || image.packagesDigest === toolsDigest(locked.packages);
}

/** The image of the lock, where it has been taken from the package volume before. */
async function findLocked(
  session: EngineSession,
  {image, locked}: BaseImageRequest,
  {context}: WantedImage,
): Promise<BaseImage | undefined> {
  if (locked?.image === undefined) return undefined;
  const tag = lockedTag(repository, locked.image);
  if ((await session.images.find(tag))?.content !== locked.image.content) return undefined;
  const found = await readBaseImage(session, tag);
  if (found === undefined || !isLocked(found, locked)) return undefined;
  // Its scripts must be those of this hypriotkit. An image that the user names is taken as it is.
  const fits = image !== undefined || found.identity === baseIdentity(context, toolsDigest(locked.packages));
  return fits ? found : undefined;
}

/** @returns why the image of the lock could not be had from the package volume. */
async function restoreLocked(
  session: EngineSession,
  request: BaseImageRequest,
  progress: (message: string) => void,
  cache: ImageFiles,
): Promise<BaseImage | NotRestored | 'not locked' | 'other version'> {
  const {locked} = request;
  if (locked?.image === undefined) return 'not locked';
  const tag = lockedTag(repository, locked.image);
  if ((await session.images.find(tag))?.content !== locked.image.content) {
    progress(`taking the base image of the lock from ${cache.label}`);
    const failure = await restoreImage(session, cache, locked.image, tag);
    if (failure !== undefined) return failure;
  }
  const wanted = await wantedImage(session, request);
  const found = await findLocked(session, request, wanted);
  if (found === undefined) return 'other version';
  // Builds without this lock may use it, too, as if they had built it.
  if (request.image === undefined && (await session.images.find(wanted.tag)) === undefined) {
    await session.images.tag(tag, wanted.tag);
  }
  return found;
}

function unavailableOffline(
  found: BaseImage | undefined,
  cache: ImageFiles | undefined,
  why: NotRestored | 'not locked' | 'other version',
): PipelineError {
  const volume = `the package volume ${cache?.label ?? ''}`;
  const engine =
    found === undefined ? 'the engine does not have the base image' : 'the engine has another base image';
  const reasons: Readonly<Record<typeof why, string>> = {
    absent: `${engine}, and ${volume} does not have that of the lock`,
    damaged: `${engine}, and that of the lock is damaged in ${volume}`,
    foreign: `${engine}, and that of the lock is for another architecture`,
    'not locked': `${engine}, and the lock has none for an engine of this architecture`,
    'other version': `${engine}, and that of the lock was made by another version of hypriotkit`,
  };
  return new PipelineError('IMAGE_UNAVAILABLE', `${reasons[why]}; --offline forbids to make it`, {
    hint:
      why === 'other version'
        ? 'Use the hypriotkit that wrote the lock, or build once with a network.'
        : 'Build once with a network, which keeps it, or bring the package volume of a machine that has built this lock.',
  });
}

/** Reference of any finished base image that the engine has: good enough for work on a volume. */
export async function findAnyBaseImage(session: EngineSession): Promise<string | undefined> {
  const images = await session.images.list(`${label.image}=base_image`);
  for (const {id} of images) {
    if (await readBaseImage(session, id)) return id;
  }
  return undefined;
}

/** Forgets the base image and the Debian it was made from, so that the next `ensureBaseImage` starts from today's archive. */
export async function forgetBaseImage(session: EngineSession, configs: Configs): Promise<void> {
  const {tag} = await wantedImage(session, {configs});
  await session.images.remove(configs.base_image.image);
  await session.images.remove(tag);
  await session.images.remove(bootstrappedTag(session));
}

async function pullNamedImage(
  session: EngineSession,
  reference: string,
  progress: (message: string) => void,
  signal: AbortSignal | undefined,
): Promise<BaseImage> {
  // One that is there and is no base image would only be pulled to be refused.
  if ((await session.images.find(reference)) === undefined) {
    progress(`pulling ${reference}`);
    await session.images.pull(reference, signal ? {signal} : {}).catch((error: unknown) => {
      throw new PipelineError(
        'IMAGE_UNAVAILABLE',
        `the image ${reference} cannot be pulled: ${error instanceof Error ? error.message : String(error)}`,
        {
          hint: 'Check the name, or leave --image out: hypriotkit then makes its base image itself.',
          cause: error,
        },
      );
    });
  }
  const found = await readBaseImage(session, reference);
  if (found !== undefined) return found;
  throw new PipelineError(
    'IMAGE_UNAVAILABLE',
    `the image ${reference} is no hypriotkit base image: it has no label ${label.identity}`,
    {
      hint: 'Such an image is made by `hypriotkit build base_image` and can then be tagged and pushed.',
    },
  );
}

const repository = 'hypriotkit/base_image';

interface WantedImage {
  readonly tag: string;
  readonly context: BuildContext;
}

/** The tag says what the image is made from; its content is identified by a label, which only a finished image has. */
async function wantedImage(
  session: EngineSession,
  {configs, image}: Pick<BaseImageRequest, 'configs' | 'image'>,
): Promise<WantedImage> {
  const context = await buildImageContext(join(builtinBuildImages(), 'base_image'));
  if (image !== undefined) return {tag: image, context};
  const {from, mirror} = configs.base_image;
  const digest = createHash('sha256')
    .update(JSON.stringify([context.digest, from, mirror, session.engine.architecture]))
    .digest('hex');
  return {tag: `${repository}:${digest.slice(0, 16)}`, context};
}

async function readBaseImage(session: EngineSession, reference: string): Promise<BaseImage | undefined> {
  const found = await session.images.find(reference);
  const identity = found?.labels[label.identity];
  if (identity === undefined) return undefined;
  const packagesDigest = found?.labels[label.packages];
  return {
    reference,
    identity,
    archiveDate: Number(found?.labels[label.archiveDate]),
    ...(packagesDigest !== undefined && {packagesDigest}),
  };
}
