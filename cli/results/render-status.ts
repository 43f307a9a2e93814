import type {PackageVolumeStatus, StoredStep, VolumeStatus} from '../../api/options.ts';
import {formatBytes, formatCount, formatTime} from '../format.ts';
import {columns} from '../text.ts';

/** The content of a volume for people, newest first. */
export function renderStatus(status: VolumeStatus): string[] {
  return [...renderEntries(status), renderPackages(status.packages)];
}

/** The volume with the packages on one line. */
export function renderPackages({volume, exists, packages, images, sizeBytes}: PackageVolumeStatus): string {
  if (!exists) return `the package volume ${volume} does not exist`;
  if (packages === undefined || images === undefined || sizeBytes === undefined) {
    return `the package volume ${volume} is there; its size shows when the engine has a base image`;
  }
  const counts = `${formatCount(packages, 'package')} and ${formatCount(images, 'kept image')}`;
  return `${counts}, ${formatBytes(sizeBytes)} in the package volume ${volume}`;
}

function renderEntries({volume, exists, entries, sizeBytes}: VolumeStatus): string[] {
  if (!exists) return [`the volume ${volume} does not exist; a build makes it`];
  if (entries.length === 0) return [`the volume ${volume} is empty`];
  const files = entries.map((entry) =>
    entry.artifacts.map(({name, sizeBytes: size}) => ['', formatBytes(size), name]),
  );
  // All rows are laid out together, so that the sizes of steps and files stand in one column.
  const rows = entries.flatMap((entry, index) => [headOf(entry), ...(files[index] ?? [])]);
  return [
    ...columns(rows, [1]),
    '',
    `${formatCount(entries.length, 'entry', 'entries')}, ${formatBytes(sizeBytes)} in the volume ${volume}`,
  ];
}

function headOf({step, sizeBytes, createdAt, fingerprint}: StoredStep): string[] {
  return [step, formatBytes(sizeBytes), `${formatTime(createdAt)}  ${fingerprint.slice(0, 12)}`];
}
