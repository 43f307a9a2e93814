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

const mostCells = 20;
const fewestCells = 5;
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
  const isKnown = totalBytes !== undefined && totalBytes > 0;
  const parts = isKnown
    ? [
        `${Math.floor((doneBytes * 100) / totalBytes)} %`.padStart(5),
        `${formatBytes(doneBytes)} of ${formatBytes(totalBytes)}`,
      ]
    : [formatBytes(doneBytes)];
  if (rate > 0) parts.push(`${formatBytes(rate)}/s`);
  if (rate > 0 && isKnown) parts.push(`${formatDuration(((totalBytes - doneBytes) * 1000) / rate)} left`);
  const numbers = parts.join('  ');
  const text = `${doing[phase]} ${truncate(subject, Math.max(8, width - numbers.length - doing[phase].length - 4))}`;
  // The bar takes what room is left.
  const cells = isKnown ? Math.min(mostCells, width - text.length - numbers.length - 7) : 0;
  const line =
    cells < fewestCells ? [text, numbers] : [text, bar(doneBytes / (totalBytes ?? 1), cells), numbers];
  return truncate(line.join('  '), width - 1);
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

function bar(part: number, cells: number): string {
  const full = Math.min(cells, Math.floor(part * cells));
  return `[${'#'.repeat(full)}${'.'.repeat(cells - full)}]`;
}
