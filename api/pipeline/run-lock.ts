import {rename, writeFile} from 'node:fs/promises';
import {diffLocks, diffTools} from '../../configs/diff-locks.ts';
import {isWritten, lockFileName, renderLock, type Lock, type LockedTools} from '../../configs/lock-file.ts';
import {ImageCache} from '../../volumes/image-cache.ts';
import type {StoreEntry} from '../../volumes/store-entry.ts';
import {VolumeScriptError} from '../../volumes/volume-host.ts';
import type {BaseImage} from '../engine/base-image.ts';
import {keepImage} from '../engine/locked-image.ts';
import {readToolPackages, toolsDigest} from '../engine/tool-packages.ts';
import {PipelineError} from '../errors.ts';
import type {BuildOptions, Relocked} from '../options.ts';
import {abridge} from './abridge.ts';
import {Holdings} from './holdings.ts';
import {makeLock} from './lock.ts';
import type {Run, RunRequest} from './run.ts';

/** The finished entries, by step. */
type Entries = ReadonlyMap<string, StoreEntry>;

/** Whether the lock must not be changed. */
export function isStrict({locked, offline}: Pick<BuildOptions, 'locked' | 'offline'>): boolean {
  return locked === true || offline === true;
}

/**
 * Everything that a strict run needs to find in the lock is there.
 *
 * @throws PipelineError `LOCK_MISSING` or `LOCK_DIFFERS`.
 */
export function checkLocked({lockFile, lock, locked, resolved}: RunRequest): void {
  if (lock === undefined) {
    throw new PipelineError('LOCK_MISSING', `there is no ${lockFile ?? lockFileName} to build from`, {
      hint:
        lockFile === undefined
          ? 'The lock lies beside configs.json or in the target: name one of them with --config or --target.'
          : 'Build once without --locked and --offline: that writes it.',
    });
  }
  const {from} = resolved.components.base_image;
  const changed = lock.base_image.from === from ? [] : [`base_image.from ${lock.base_image.from} → ${from}`];
  refuse(lockFile, [...changed, ...locked.differences]);
}

function refuse(lockFile: string | undefined, differences: readonly string[]): void {
  if (differences.length === 0) return;
  throw new PipelineError(
    'LOCK_DIFFERS',
    `the build would not be what ${lockFile ?? lockFileName} says: ${abridge(differences)}`,
    {
      hint: 'Build without --locked to add what is new to the lock, or run `hypriotkit upgrade` to lock what the mirror has today.',
    },
  );
}

/** Says what of the lock does not hold for this configuration, and is added to it. */
export function announceExtension({lock, locked, resolved, emit}: Run): void {
  for (const message of resolved.contentNotices ?? []) emit({type: 'notice', level: 'warning', message});
  if (lock === undefined || locked.differences.length === 0) return;
  emit({type: 'notice', level: 'info', message: `the lock is extended: ${abridge(locked.differences)}`});
}

/**
 * Compares the tools with the lock's; a strict run refuses others, because they could make other bytes.
 *
 * @returns true when the lock does not say yet what it should about them.
 * @throws PipelineError `LOCK_DIFFERS`.
 */
export async function compareBaseImage(
  {session, lock, lockFile, options, emit}: Run,
  baseImage: BaseImage,
): Promise<boolean> {
  if (lockFile === undefined) return false;
  const known = lock?.base_image.architectures[session.engine.architecture];
  if (known === undefined) return !isStrict(options);
  if (toolsDigest(known.packages) === baseImage.packagesDigest) {
    return known.image === undefined && !isStrict(options);
  }
  const packages = await readToolPackages(session, baseImage.reference);
  const differences = diffTools('base_image', known.packages, packages);
  if (isStrict(options)) {
    throw new PipelineError(
      'LOCK_DIFFERS',
      `the engine and the package volume ${session.packageHost.label} do not have the base image that ${lockFile} names, and the one at hand differs: ${abridge(differences)}`,
      {
        hint: 'Bring the package volume of a machine that has built this lock, or run `hypriotkit upgrade` to lock what the mirror has today.',
      },
    );
  }
  const message = `the base image is not the one in the lock: ${abridge(differences)}`;
  emit({type: 'notice', level: 'warning', message});
  return true;
}

/** Keeps the base image in the package volume, so that what the lock says about it can be had again. */
export async function keepBaseImage({session, emit}: Run, {reference}: BaseImage): Promise<LockedTools> {
  const packages = await readToolPackages(session, reference);
  try {
    return {image: await keepImage(session, new ImageCache(session.packageHost), reference), packages};
  } catch (error) {
    if (!(error instanceof VolumeScriptError)) throw error;
    // The build can go on; only other machines and later days have less to build from.
    emit({
      type: 'notice',
      level: 'warning',
      message: `the base image cannot be kept in ${session.packageHost.label}: ${error.stderr.trim()}`,
      ...(error.isStorageFull && {hint: 'Free some room: `hypriotkit clean --older-than 7d`.'}),
    });
    return {packages};
  }
}

/** Brings the lock up to what has been built, where there is a place for one and it may be changed. */
export async function updateLock(
  run: Run,
  entries: Entries,
  baseImage: BaseImage,
  baseTools: LockedTools | undefined,
): Promise<void> {
  const {lock: previous, lockFile, locked, resolved, options, emit} = run;
  if (lockFile === undefined || isStrict(options)) return;
  const {from} = resolved.components.base_image;
  // Nothing of it can have changed: every list came from it.
  const isComplete = locked.differences.length === 0 && baseTools === undefined;
  if (previous !== undefined && isComplete && previous.base_image.from === from) return;
  const epoch = previous?.source_date_epoch ?? baseImage.archiveDate;
  const lock = await lockOf(run, entries, epoch, baseTools);
  if (await isWritten(lockFile, lock)) return;
  await writeLock(lockFile, lock);
  const changes = previous === undefined ? [] : diffLocks(previous, lock);
  emit({
    type: 'notice',
    level: 'info',
    message: previous === undefined ? `wrote ${lockFile}` : `updated ${lockFile}`,
    ...(changes.length > 0 && {hint: abridge(changes)}),
  });
}

/** Writes a lock of what has just been resolved, whatever the present one says. */
export async function replaceLock(
  run: Run,
  file: string,
  entries: Entries,
  baseImage: BaseImage,
): Promise<Relocked> {
  const tools = await keepBaseImage(run, baseImage);
  // The emulator is built on the base image: the next boot locks a new one.
  const {boot: _, ...lock} = await lockOf(run, entries, baseImage.archiveDate, tools);
  await writeLock(file, lock);
  return {file, changes: diffLocks(run.lock ?? emptyLock(lock), lock)};
}

function lockOf(
  {lock: previous, store, cache, session, resolved, selection}: Run,
  entries: Entries,
  epoch: number,
  baseTools: LockedTools | undefined,
): Promise<Lock> {
  return makeLock({
    store: new Holdings({store, cache}),
    steps: selection.steps,
    entries,
    epoch,
    from: resolved.components.base_image.from,
    architecture: session.engine.architecture,
    baseTools,
    pins: resolved.pins,
    imagePins: resolved.imagePins,
    content: resolved.content,
    previous,
  });
}

/** Writes a lock file, in one piece. */
export async function writeLock(file: string, lock: Lock): Promise<void> {
  // A reader sees the old lock or the new one, never a half.
  await writeFile(`${file}.partial`, renderLock(lock));
  await rename(`${file}.partial`, file);
}

/** A lock that says nothing yet, to compare a first one with. */
function emptyLock({source_date_epoch: epoch, base_image: {from}}: Lock): Lock {
  return {format: 2, source_date_epoch: epoch, base_image: {from, architectures: {}}, components: {}};
}
