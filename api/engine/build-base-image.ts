import {createHash} from 'node:crypto';
import {defaultConfigs} from '../../configs/default-configs.ts';
import {parseToolList} from '../../configs/lock-file.ts';
import type {Configs} from '../../configs/schema.ts';
import type {BuildContext} from '../docker/build-context.ts';
import {ImageOperationError} from '../docker/images.ts';
import {label} from '../docker/labels.ts';
import {writeTar} from '../docker/tar.ts';
import {PipelineError} from '../errors.ts';
import type {BaseImage} from './base-image.ts';
import {bootstrapDebian} from './bootstrap.ts';
import type {EngineSession} from './session.ts';
import {readToolFile, toolsDigest} from './tool-packages.ts';

/** Debian release of the base image; the images that `base_image.from` may name are of this release. */
export const baseSuite = 'trixie';

/** How long a registry may take to deliver the Debian image (30 MB) before the image is bootstrapped instead. */
const pullTimeoutMs = 120_000;

/** What the tools of every step are: digest over the build context and the packages. */
export function baseIdentity(context: BuildContext, packagesDigest: string): string {
  return createHash('sha256').update(`${context.digest}\n${packagesDigest}`).digest('hex');
}

/**
 * Builds the base image from the pinned Debian image, and where no registry delivers that, from a Debian bootstrapped
 * on this machine.
 *
 * @throws PipelineError `IMAGE_UNAVAILABLE` or `IMAGE_BUILD_FAILED`.
 */
export async function buildBaseImage(
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
    const archiveDate = await readToolFile(container, 'archive-date');
    const packagesDigest = toolsDigest(parseToolList(await readToolFile(container, 'packages.tsv')));
    const identity = baseIdentity(context, packagesDigest);
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

/** Name of the Debian that is made here. */
export function bootstrappedTag(session: EngineSession): string {
  return `hypriotkit/debian:${baseSuite}-${session.engine.architecture}`;
}

function message(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
