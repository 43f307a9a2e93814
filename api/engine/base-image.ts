import {createHash} from 'node:crypto';
import {join} from 'node:path';
import {defaultConfigs} from '../../configs/default-configs.ts';
import type {Configs} from '../../configs/schema.ts';
import type {BuildContext} from '../docker/build-context.ts';
import type {DockerContainer} from '../docker/containers.ts';
import {ImageOperationError} from '../docker/images.ts';
import {label} from '../docker/labels.ts';
import {readTarFiles, writeTar} from '../docker/tar.ts';
import {PipelineError} from '../errors.ts';
import {bootstrapDebian} from './bootstrap.ts';
import {buildImageContext, builtinBuildImages} from './build-image.ts';
import type {EngineSession} from './session.ts';

/** Debian release of the base image; the images that `base_image.from` may name are of this release. */
export const baseSuite = 'trixie';

/** How long a registry may take to deliver the Debian image (30 MB) before the image is bootstrapped instead. */
const pullTimeoutMs = 120_000;

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
  /** Only an image that the engine has already will do. */
  readonly offline?: boolean | undefined;
}

/** The base image if the engine has it already. */
export async function findBaseImage(
  session: EngineSession,
  request: BaseImageRequest,
): Promise<BaseImage | undefined> {
  return readBaseImage(session, request.image ?? (await wantedTag(session, request.configs)).tag);
}

/**
 * Makes sure that the engine has the base image: finds it, pulls what the user names, or builds it from the pinned
 * Debian image, and where no registry delivers that, from a Debian bootstrapped on this machine.
 *
 * @throws PipelineError `IMAGE_UNAVAILABLE` or `IMAGE_BUILD_FAILED`.
 */
export async function ensureBaseImage(
  session: EngineSession,
  request: BaseImageRequest,
  progress: (message: string) => void,
  onLine: (line: string) => void,
  signal?: AbortSignal,
): Promise<BaseImage> {
  if (request.offline && (await findBaseImage(session, request)) === undefined) {
    throw new PipelineError(
      'IMAGE_UNAVAILABLE',
      'the engine does not have the base image, and --offline forbids to make it',
      {
        hint: '`hypriotkit build base_image` makes it while there is a network; `docker save` and `docker load` bring it to another machine.',
      },
    );
  }
  if (request.image !== undefined) return ensureNamedImage(session, request.image, progress, signal);
  const {tag, context} = await wantedTag(session, request.configs);
  const found = await readBaseImage(session, tag);
  const image =
    found ?? (await buildBaseImage(session, request.configs, tag, context, progress, onLine, signal));
  await session.images.tag(image.reference, request.configs.base_image.image);
  return image;
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
  const {tag} = await wantedTag(session, configs);
  await session.images.remove(configs.base_image.image);
  await session.images.remove(tag);
  await session.images.remove(bootstrappedTag(session));
}

async function ensureNamedImage(
  session: EngineSession,
  reference: string,
  progress: (message: string) => void,
  signal: AbortSignal | undefined,
): Promise<BaseImage> {
  if ((await session.images.find(reference)) === undefined) {
    progress(`pulling ${reference}`);
    await session.images.pull(reference, signal ? {signal} : {}).catch((error: unknown) => {
      throw new PipelineError(
        'IMAGE_UNAVAILABLE',
        `the image ${reference} cannot be pulled: ${message(error)}`,
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

/** The tag says what the image is made from; its content is identified by a label, which only a finished image has. */
async function wantedTag(
  session: EngineSession,
  configs: Configs,
): Promise<{tag: string; context: BuildContext}> {
  const context = await buildImageContext(join(builtinBuildImages(), 'base_image'));
  const {from, mirror} = configs.base_image;
  const digest = createHash('sha256')
    .update(JSON.stringify([context.digest, from, mirror, session.engine.architecture]))
    .digest('hex');
  return {tag: `hypriotkit/base_image:${digest.slice(0, 16)}`, context};
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

/** The packages of a base image, as `name:architecture=version`, sorted. */
export async function readBasePackages(session: EngineSession, image: BaseImage): Promise<readonly string[]> {
  await using container = await session.createIdle('probe', image.reference);
  return (await readText(container, 'packages')).split('\n').filter(Boolean);
}

async function readText(container: DockerContainer, name: string): Promise<string> {
  const files = await readTarFiles(await container.readArchive(`/usr/share/hypriotkit/${name}`));
  return files.get(name)?.toString('utf8').trim() ?? '';
}

async function buildBaseImage(
  session: EngineSession,
  configs: Configs,
  tag: string,
  context: BuildContext,
  progress: (message: string) => void,
  onLine: (line: string) => void,
  signal: AbortSignal | undefined,
): Promise<BaseImage> {
  const from = await ensureDebian(session, configs, progress, signal);
  progress('installing the build tools');
  const unfinished = `hypriotkit/base_image:unfinished-${session.runId}`;
  try {
    await session.images.build({
      context: context.tar,
      tag: unfinished,
      buildArguments: {FROM_IMAGE: from, MIRROR: configs.base_image.mirror},
      labels: {[label.image]: 'base_image'},
      fresh: true,
      onLine,
      signal,
    });
    await using container = await session.createIdle('probe', unfinished);
    const archiveDate = await readText(container, 'archive-date');
    const packages = await readText(container, 'packages');
    const identity = createHash('sha256').update(`${context.digest}\n${packages}`).digest('hex');
    const packagesDigest = createHash('sha256').update(packages).digest('hex');
    // Labels that need the content come last: whoever finds the tag finds a complete image.
    await session.images.build({
      context: await writeTar([{name: 'Dockerfile', content: Buffer.from(`FROM ${unfinished}\n`)}]),
      tag,
      labels: {
        [label.image]: 'base_image',
        [label.identity]: identity,
        [label.archiveDate]: archiveDate,
        [label.packages]: packagesDigest,
      },
      signal,
    });
    return {reference: tag, identity, archiveDate: Number(archiveDate), packagesDigest};
  } catch (error) {
    if (!(error instanceof ImageOperationError)) throw error;
    const said = error.tail.filter((line) => /^(E:|W:|Err:)/.test(line)).at(-1);
    throw new PipelineError(
      'IMAGE_BUILD_FAILED',
      `the base image cannot be built: ${said ?? error.message}`,
      {
        hint: 'Its containers must reach a Debian mirror: check the network of the engine, or set base_image.mirror in configs.json.',
        cause: error,
      },
    );
  } finally {
    await session.images.remove(unfinished);
  }
}

/** A Debian image in the engine: the pinned one, or one made here. */
async function ensureDebian(
  session: EngineSession,
  configs: Configs,
  progress: (message: string) => void,
  signal: AbortSignal | undefined,
): Promise<string> {
  const {from, mirror} = configs.base_image;
  if (await session.images.find(from)) return from;
  const bootstrapped = bootstrappedTag(session);
  // What is made here stands for the default image only: whoever names an image of their own wants that one.
  const mayBootstrap = from === defaultConfigs().base_image.from;
  if (mayBootstrap && (await session.images.find(bootstrapped))) return bootstrapped;
  progress(`pulling ${from.replace(/@.*/, '')}`);
  const timeout = AbortSignal.timeout(pullTimeoutMs);
  try {
    await session.images.pull(from, {signal: signal ? AbortSignal.any([signal, timeout]) : timeout});
    return from;
  } catch (error) {
    if (signal?.aborted) throw error;
    if (!mayBootstrap) {
      throw new PipelineError('IMAGE_UNAVAILABLE', `the image ${from} cannot be pulled: ${message(error)}`, {
        hint: 'Correct base_image.from in configs.json, or leave it out: Debian is then made here if no registry delivers it.',
        cause: error,
      });
    }
    progress(`no registry delivers ${from.replace(/@.*/, '')}; bootstrapping Debian ${baseSuite} here`);
    await bootstrapDebian(session, {
      suite: baseSuite,
      mirror,
      tag: bootstrapped,
      signal,
      pullError: message(error),
    });
    return bootstrapped;
  }
}

function bootstrappedTag(session: EngineSession): string {
  return `hypriotkit/debian:${baseSuite}-${session.engine.architecture}`;
}

function message(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
