import {mkdtemp, rm} from 'node:fs/promises';
import type {KeyObject} from 'node:crypto';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {checkImages, planBundle} from '../ota/packer/bundle-plan.ts';
import {checkRoom, writeExt4, type StagedFile} from '../ota/packer/ext4-medium.ts';
import {findMediumTarget, requireForce, type MediumTarget} from '../ota/packer/medium-target.ts';
import type {PackerImage} from '../ota/packer/packer-input.ts';
import {stageBundle} from '../ota/packer/stage-bundle.ts';
import {bundleSizes, cacheSourceLabel} from '../ota/packer/write-cache-source.ts';
import {PipelineError} from '../errors.ts';
import {findUpdateBundles, type UpdateBundle} from './update-bundle.ts';
import {stageCopies} from './stage-copies.ts';

/** A stick without a cache source: nothing looks for it by its label, but people do. */
const plainLabel = 'ota_update';

export interface StickOptions {
  /** A disk, a partition, or a file. */
  readonly target: string;
  /** OTA images that otaproxy shall find: files or folders, legacy or v1. */
  readonly cacheSource?: readonly PackerImage[] | undefined;
  /** Update-agent bundles. The archive of its images, if one needs any, lies beside it. */
  readonly bundles?: readonly string[] | undefined;
  /** Checks the signatures of the bundles. */
  readonly bundleKey?: KeyObject | undefined;
  /** Unmounts what is mounted, and replaces an existing file. */
  readonly force?: boolean | undefined;
  /** Seconds since 1970: the time of everything on it. */
  readonly timestamp?: number | undefined;
  /** Folder with room for all contents; the system's folder for temporary files when absent. */
  readonly room?: string | undefined;
  /** Asked before anything is written; false stops. */
  readonly confirm?: ((target: MediumTarget) => Promise<boolean>) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What is on a stick: what a person who looks into it sees, and whom it is for. */
export interface StickEntry {
  /** A file, or a folder with everything in it (`data/`). */
  readonly path: string;
  readonly sizeBytes: number;
  /** 1 for a file. */
  readonly files: number;
  readonly purpose: 'cache source' | 'update bundle' | 'container images';
  /** `2 OTA images`, `gripper 1.0.0 (addon)`. */
  readonly what: string;
}

export interface Stick {
  readonly target: string;
  readonly fileSystem: 'ext4';
  readonly label: string;
  /** Of the file system. */
  readonly sizeBytes: number;
  readonly entries: readonly StickEntry[];
  readonly warnings: readonly string[];
}

/**
 * Makes a medium for a technician: an ext4 file system with a cache source for otaproxy, update-agent bundles with the
 * archives of their images, or both. Everything is checked before anything is written, and every file is read back.
 *
 * @returns undefined when `confirm` said no
 * @example
 * await makeStick({target: '/dev/sdb', bundles: ['gripper_1.0.0.bundle']});
 * @throws PipelineError `USAGE` when nothing is to go on it; `DEVICE_UNUSABLE`, `OUTPUT_EXISTS`, `BUNDLE_INVALID` before
 *   anything is written, then `FLASH_FAILED`; {OtaError} for what is wrong in an OTA image
 */
export async function makeStick(options: StickOptions): Promise<Stick | undefined> {
  const {cacheSource = [], bundles = [], force, timestamp = 0, room = tmpdir(), signal} = options;
  if (cacheSource.length + bundles.length === 0) {
    throw new PipelineError('USAGE', 'there is nothing to put on the stick', {
      hint: 'Add --cache-src IMAGE, --bundle FILE.bundle, or both.',
    });
  }
  if (cacheSource.length > 0) checkImages(cacheSource);
  const target = await findMediumTarget(options.target);
  await requireForce(target, {force, option: '--force'});
  const updates = await findUpdateBundles(bundles, options.bundleKey);
  if (options.confirm !== undefined && !(await options.confirm(target))) return undefined;
  const folder = await mkdtemp(join(room, 'hypriotkit-stick-'));
  try {
    const stage = await mkdtemp(join(folder, 'stick-'));
    const files = new Map<string, StagedFile>();
    const entries: StickEntry[] = [];
    const sizes = updates.flatMap(({copies}) => copies.map(({sizeBytes}) => sizeBytes));
    await using plan =
      cacheSource.length === 0 ? undefined : await planBundle({images: cacheSource, room: folder, timestamp});
    checkRoom(target, plan === undefined ? sizes : [...bundleSizes(plan), ...sizes]);
    if (plan !== undefined) {
      const staged = await stageBundle(plan, stage, timestamp, signal);
      for (const [path, file] of staged) files.set(path, file);
      const {length} = plan.manifest.image_meta;
      const what = length === 1 ? 'one OTA image' : `${length} OTA images`;
      entries.push(...describeCacheSource(staged, what));
    }
    for (const update of updates) {
      const staged = await stageCopies(update.copies, stage, timestamp, signal);
      for (const [path, file] of staged) files.set(path, file);
      entries.push(...describeUpdate(update));
    }
    const label = plan === undefined ? plainLabel : cacheSourceLabel;
    const sizeBytes = await writeExt4(target, {label, folder: stage, files, timestamp}, signal);
    const warnings = updates.flatMap((update) => update.warnings);
    return {target: target.path, fileSystem: 'ext4', label, sizeBytes, entries, warnings};
  } finally {
    await rm(folder, {recursive: true, force: true});
  }
}

function describeCacheSource(staged: ReadonlyMap<string, StagedFile>, what: string): readonly StickEntry[] {
  const tops = new Map<string, {sizeBytes: number; files: number}>();
  for (const [path, {sizeBytes}] of staged) {
    const top = path.replace(/\/.*$/, '/');
    const sum = tops.get(top) ?? {sizeBytes: 0, files: 0};
    tops.set(top, {sizeBytes: sum.sizeBytes + sizeBytes, files: sum.files + 1});
  }
  return [...tops]
    .map(([path, sum]) => ({path, ...sum, purpose: 'cache source' as const, what}))
    .sort(byPath);
}

function describeUpdate({copies, what}: UpdateBundle): readonly StickEntry[] {
  return copies.map(({name, sizeBytes, images}) => ({
    path: name,
    sizeBytes,
    files: 1,
    purpose: images === undefined ? ('update bundle' as const) : ('container images' as const),
    what: images === undefined ? what : images === 1 ? 'one image' : `${images} images`,
  }));
}

function byPath(a: StickEntry, b: StickEntry): number {
  return a.path < b.path ? -1 : 1;
}
