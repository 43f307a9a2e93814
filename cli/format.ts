const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const;

/** A size for people in binary units, three significant digits: `0 B`, `1.2 GiB`, `180 MiB`. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  for (const [index, unit] of units.entries()) {
    const text = unit === 'B' || value >= 99.95 ? value.toFixed(0) : value.toFixed(1);
    // Judged by the rounded text, so that 1023.99 KiB becomes 1.0 MiB and never 1024 KiB.
    if (Number(text) < 1024 || index === units.length - 1) return `${text} ${unit}`;
    value /= 1024;
  }
  return `${value} B`;
}

/** A duration for people: `0.4s`, `54.1s`, `2m 05s`, `1h 02m`. */
export function formatDuration(milliseconds: number): string {
  const tenths = Math.round(Math.max(0, milliseconds) / 100);
  if (tenths < 600) return `${(tenths / 10).toFixed(1)}s`;
  const seconds = Math.round(tenths / 10);
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m ${twoDigits(seconds % 60)}s`;
  const minutes = Math.round(seconds / 60);
  return `${Math.floor(minutes / 60)}h ${twoDigits(minutes % 60)}m`;
}

/** A point in time as `2026-11-20 17:10 UTC`; text that is no date stays as it is. */
export function formatTime(iso: string): string {
  const time = new Date(iso);
  if (Number.isNaN(time.getTime())) return iso;
  return `${time.toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}

/** `1 step`, `3 steps`. */
export function formatCount(count: number, noun: string, plural = `${noun}s`): string {
  return `${count} ${count === 1 ? noun : plural}`;
}

function twoDigits(value: number): string {
  return String(value).padStart(2, '0');
}
