import type {CleanResult, StoredStep, VolumeStatus} from '../../api/options.ts';
import {formatBytes, formatTime} from '../format.ts';
import {columns, indent} from '../text.ts';

/** What would be removed, with sizes. */
export function renderRemoval(status: VolumeStatus, components: readonly string[]): string[] {
  const all = components.length === 0;
  const entries = status.entries.filter(({step}) => all || components.some((name) => belongsTo(step, name)));
  const list = columns(entries.map(describeEntry), [1]).map((line) => indent(line, '  '));
  if (all) {
    const volume = status.exists
      ? `the volume ${status.volume} (${formatBytes(status.sizeBytes)})`
      : `the volume ${status.volume} (it does not exist)`;
    return [`to be removed: ${volume} and the build images`, ...list];
  }
  if (entries.length === 0)
    return [`the volume ${status.volume} holds no artifacts of ${components.join(', ')}`];
  const bytes = entries.reduce((sum, {sizeBytes}) => sum + sizeBytes, 0);
  return [`to be removed from the volume ${status.volume}: ${formatBytes(bytes)}`, ...list];
}

/** The entries that would be removed, each with its age: criteria, and not names, have chosen them. */
export function renderRemovalOfEntries(
  {volume, entries, freedBytes}: CleanResult,
  place = `the volume ${volume}`,
): string[] {
  if (entries.length === 0) return [`${place} holds nothing of that kind`];
  const rows = entries.map((entry) => [
    entry.step,
    formatBytes(entry.sizeBytes),
    formatTime(entry.createdAt),
  ]);
  return [
    `to be removed from ${place}: ${formatBytes(freedBytes)}`,
    ...columns(rows, [1]).map((line) => indent(line, '  ')),
  ];
}

function describeEntry({step, sizeBytes, artifacts}: StoredStep): string[] {
  return [step, formatBytes(sizeBytes), artifacts.map(({name}) => name).join(', ')];
}

/** A component may have several steps, as `rpi_sd_image` and `rpi_sd_image.docker`. */
function belongsTo(step: string, component: string): boolean {
  return step === component || step.startsWith(`${component}.`);
}
