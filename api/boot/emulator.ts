import {join} from 'node:path';
import {diffTools} from '../../configs/diff-locks.ts';
import type {LockedTools} from '../../configs/lock-file.ts';
import {ImageCache} from '../../volumes/image-cache.ts';
import {ImageOperationError} from '../docker/images.ts';
import {label} from '../docker/labels.ts';
import type {BaseImage} from '../engine/base-image.ts';
import {buildImageSource, builtinBuildImages, ensureBuildImage} from '../engine/build-image.ts';
import {keepImage, lockedTag, restoreImage, type NotRestored} from '../engine/locked-image.ts';
import type {EngineSession} from '../engine/session.ts';
import {readToolPackages} from '../engine/tool-packages.ts';
import {PipelineError} from '../errors.ts';

/** What the search for the emulator says meanwhile. */
export interface EmulatorReport {
  readonly progress: (message: string) => void;
  readonly output: (line: string) => void;
  readonly warn: (message: string) => void;
}

/**
 * Makes sure that the engine has the image with the emulator: that of the lock, where engine or package volume have it,
 * else one built today.
 *
 * @param locked What a lock says about it for engines like this one.
 * @returns the reference to run, and whether the lock has to be told about it.
 * @throws PipelineError `IMAGE_BUILD_FAILED`.
 */
export async function ensureEmulator(
  session: EngineSession,
  base: BaseImage,
  locked: LockedTools | undefined,
  report: EmulatorReport,
  signal: AbortSignal | undefined,
): Promise<{reference: string; isNew: boolean}> {
  report.progress('preparing the emulator');
  const restored = await restoreEmulator(session, base, locked, report);
  if (restored.tag !== undefined) return {reference: restored.tag, isNew: false};
  const reference = await buildEmulator(session, base, report, signal);
  if (locked === undefined) return {reference, isNew: true};
  const differences = diffTools('boot', locked.packages, await readToolPackages(session, reference));
  if (differences.length > 0) {
    report.warn(`the emulator is not the one in the lock: ${differences.slice(0, 8).join('; ')}`);
  }
  return {reference, isNew: differences.length > 0 || restored.why === 'outdated'};
}

/** What a lock is to say about the emulator; it is kept in the package volume. */
export async function keepEmulator(session: EngineSession, reference: string): Promise<LockedTools> {
  const image = await keepImage(session, new ImageCache(session.packageHost), reference);
  return {image, packages: await readToolPackages(session, reference)};
}

async function restoreEmulator(
  session: EngineSession,
  base: BaseImage,
  locked: LockedTools | undefined,
  {progress}: EmulatorReport,
): Promise<{tag: string} | {tag?: never; why: NotRestored | 'outdated'}> {
  if (locked?.image === undefined) return {why: 'outdated'};
  const tag = lockedTag('hypriotkit/boot', locked.image);
  if ((await session.images.find(tag))?.content !== locked.image.content) {
    const cache = new ImageCache(session.packageHost);
    const failure = await restoreImage(session, cache, locked.image, tag);
    if (failure === 'damaged') progress(`the emulator of the lock is damaged in ${cache.label}`);
    if (failure !== undefined) return {why: failure};
  }
  // Its scripts must be those of this hypriotkit, on the base image that is used.
  const source = await buildImageSource(bootFolder(), base);
  const found = await session.images.find(tag);
  return found?.labels[label.source] === source ? {tag} : {why: 'outdated'};
}

async function buildEmulator(
  session: EngineSession,
  base: BaseImage,
  report: EmulatorReport,
  signal: AbortSignal | undefined,
): Promise<string> {
  try {
    return await ensureBuildImage(session, {folder: bootFolder(), base, onLine: report.output, signal});
  } catch (error) {
    if (!(error instanceof ImageOperationError)) throw error;
    throw new PipelineError(
      'IMAGE_BUILD_FAILED',
      `the image with the emulator cannot be built: ${error.message}`,
      {
        hint: 'Its containers must reach a Debian mirror: check the network of the engine.',
        cause: error,
      },
    );
  }
}

function bootFolder(): string {
  return join(builtinBuildImages(), 'boot');
}
