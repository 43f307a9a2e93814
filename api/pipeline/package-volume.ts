import {findAnyBaseImage} from '../engine/base-image.ts';
import {openSession, volumeExists} from '../engine/open-session.ts';
import type {EngineSession} from '../engine/session.ts';
import {removeStaleRuns} from '../engine/stale-runs.ts';
import {PipelineError} from '../errors.ts';
import {
  defaultPackageVolume,
  type CleanResult,
  type EngineOptions,
  type PackageOptions,
  type PackageVolumeStatus,
} from '../options.ts';

/** What the volume with the packages holds. */
export async function packageVolumeStatus(
  options: EngineOptions & PackageOptions,
): Promise<PackageVolumeStatus> {
  await using session = await openPackageVolume(options);
  return await measure(session);
}

/**
 * Removes the packages and kept images, of a named volume the volume itself.
 *
 * @throws PipelineError `VOLUME_BUSY` when a run uses them.
 */
export async function cleanPackageVolume(
  options: EngineOptions & PackageOptions & {readonly dryRun?: boolean},
): Promise<CleanResult> {
  const status = await packageVolumeStatus(options);
  await using session = await openPackageVolume(options);
  const what = [`package volume ${session.label}`];
  const result = {volume: session.label, removed: what, freedBytes: status.sizeBytes ?? 0, entries: []};
  if (!status.exists) return {...result, removed: []};
  if (options.dryRun === true) return result;
  await removeStaleRuns(session);
  if (session.volume.kind === 'folder') {
    const image = await findAnyBaseImage(session);
    if (image === undefined) {
      throw new PipelineError(
        'IMAGE_UNAVAILABLE',
        'the base image, which does the work in the volume, is not there',
        {
          hint: 'hypriotkit build base_image makes it.',
        },
      );
    }
    session.useBaseImage(image);
    await session.run('rm -rf .hypriotkit/packages', []);
  } else if (!(await session.volumes.remove(session.volume.name))) {
    throw new PipelineError('VOLUME_BUSY', `a run is using the package volume ${session.label}`, {
      hint: 'Wait until it is done, or stop it.',
    });
  }
  return result;
}

function openPackageVolume({host, packageVolume}: EngineOptions & PackageOptions): Promise<EngineSession> {
  return openSession({volume: packageVolume ?? defaultPackageVolume, ...(host !== undefined && {host})});
}

async function measure(session: EngineSession): Promise<PackageVolumeStatus> {
  const volume = session.label;
  if (!(await volumeExists(session))) return {volume, exists: false, packages: 0, images: 0, sizeBytes: 0};
  const image = await findAnyBaseImage(session);
  // Nothing of ours can look into the volume.
  if (image === undefined) return {volume, exists: true};
  session.useBaseImage(image);
  const output = await session.run(
    `cd .hypriotkit/packages 2>/dev/null || exit 0
     find sha256 images -type f -printf '%h %s\\n' 2>/dev/null || true`,
    [],
  );
  const files = output
    .split('\n')
    .filter(Boolean)
    .map((line) => line.split(' '));
  const count = (folder: string) => files.filter(([of]) => of === folder).length;
  return {
    volume,
    exists: true,
    packages: count('sha256'),
    images: count('images'),
    sizeBytes: files.reduce((sum, [, size]) => sum + Number(size), 0),
  };
}
