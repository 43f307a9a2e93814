import type {FlashPhase, FlashProgress} from '../../api/flash/flash-event.ts';
import {formatBytes, formatDuration} from '../format.ts';
import {truncate} from '../text.ts';

const doing: Readonly<Record<FlashPhase, string>> = {
  download: 'downloading',
  unpack: 'unpacking',
  write: 'writing',
  verify: 'verifying',
};
const done: Readonly<Record<FlashPhase, string>> = {
  download: 'downloaded',
  unpack: 'unpacked',
  write: 'wrote',
  verify: 'verified',
};

const barCells = 20;
/** Before that, a rate says more about caches than about the card. */
const leastMs = 1000;

/** `writing /dev/sdb  [#####.....]  45 %  312 MiB of 678 MiB  88 MiB/s  4.1s left`, cut to the width of the terminal. */
export function renderProgress(
  progress: FlashProgress,
  subject: string,
  elapsedMs: number,
  width: number,
): string {
  const {phase, doneBytes, totalBytes} = progress;
  const rate = elapsedMs < leastMs ? 0 : (doneBytes * 1000) / elapsedMs;
  const parts =
    totalBytes === undefined || totalBytes === 0
      ? [formatBytes(doneBytes)]
      : [
          bar(doneBytes / totalBytes),
          `${Math.floor((doneBytes * 100) / totalBytes)} %`.padStart(5),
          `${formatBytes(doneBytes)} of ${formatBytes(totalBytes)}`,
        ];
  if (rate > 0) parts.push(`${formatBytes(rate)}/s`);
  if (rate > 0 && totalBytes !== undefined)
    parts.push(`${formatDuration(((totalBytes - doneBytes) * 1000) / rate)} left`);
  const numbers = parts.join('  ');
  const room = width - numbers.length - doing[phase].length - 4;
  return truncate(`${doing[phase]} ${truncate(subject, Math.max(8, room))}  ${numbers}`, width - 1);
}

/** `writing /dev/sdb` */
export function renderStart(phase: FlashPhase, subject: string): string {
  return `${doing[phase]} ${subject}`;
}

/** `wrote 678 MiB in 8.2s (83 MiB/s)` */
export function renderEnd(phase: FlashPhase, doneBytes: number, durationMs: number): string {
  const rate = durationMs > 0 ? ` (${formatBytes((doneBytes * 1000) / durationMs)}/s)` : '';
  return `${done[phase]} ${formatBytes(doneBytes)} in ${formatDuration(durationMs)}${rate}`;
}

function bar(part: number): string {
  const full = Math.min(barCells, Math.floor(part * barCells));
  return `[${'#'.repeat(full)}${'.'.repeat(barCells - full)}]`;
}
