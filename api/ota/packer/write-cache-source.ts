import {mkdtemp, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {checkImages, planBundle, type BundleManifest, type BundlePlan} from './bundle-plan.ts';
import {checkRoom, writeExt4} from './ext4-medium.ts';
import {findMediumTarget, requireForce, type MediumTarget} from './medium-target.ts';
import type {PackerImage} from './packer-input.ts';
import {stageBundle} from './stage-bundle.ts';

/** By this label otaproxy knows an external cache source. */
export const cacheSourceLabel = 'ota_cache_src';

export interface WriteCacheSourceOptions {
  readonly images: readonly PackerImage[];
  /** A disk, a partition, or a file. */
  readonly target: string;
  /** Seconds since 1970. */
  readonly timestamp?: number | undefined;
  /** Unmounts what is mounted, and replaces an existing file. */
  readonly force?: boolean | undefined;
  /** Folder with room for all contents; the system's folder for temporary files when absent. */
  readonly room?: string | undefined;
  /** Asked before anything is written; false stops. */
  readonly confirm?: ((target: MediumTarget) => Promise<boolean>) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Makes an external cache source: an ext4 file system with the label that otaproxy looks for, and the bundle in it.
 * Nothing is mounted; every file is read back from the device and compared.
 *
 * @returns undefined when `confirm` said no
 * @throws PipelineError `DEVICE_UNUSABLE` before anything is written, then `FLASH_FAILED`; {OtaError} for the images
 */
export async function writeCacheSource(
  options: WriteCacheSourceOptions,
): Promise<BundleManifest | undefined> {
  const {images, timestamp = 0, force, signal, room = tmpdir()} = options;
  checkImages(images);
  const target = await findMediumTarget(options.target);
  await requireForce(target, {force, option: '--force-write-to'});
  if (options.confirm !== undefined && !(await options.confirm(target))) return undefined;
  const folder = await mkdtemp(join(room, 'hypriotkit-cache-src-'));
  try {
    await using plan = await planBundle({images, room: folder, timestamp});
    checkRoom(target, bundleSizes(plan));
    const stage = await mkdtemp(join(folder, 'bundle-'));
    const files = await stageBundle(plan, stage, timestamp, signal);
    await writeExt4(target, {label: cacheSourceLabel, folder: stage, files, timestamp}, signal);
    return plan.manifest;
  } finally {
    await rm(folder, {recursive: true, force: true});
  }
}

/** The sizes of all files of a bundle. */
export function bundleSizes({data, meta, manifestBytes}: BundlePlan): readonly number[] {
  return [
    ...data.map(({stored}) => stored.sizeBytes),
    ...[...meta.values(), manifestBytes].map(({length}) => length),
  ];
}
