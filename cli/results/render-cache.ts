import type {CacheEntry} from '../../api/cache/cache-entry.ts';
import type {Eviction} from '../../api/cache/download-cache.ts';
import type {Remains} from '../../api/cache/partial-folder.ts';
import type {CachePolicy} from '../../api/cache/policy.ts';
import {formatBytes, formatCount, formatTime} from '../format.ts';
import {cleanLine, columns, shortenMiddle, widthOf} from '../text.ts';

interface CacheView {
  readonly folder: string;
  readonly policy: CachePolicy;
  readonly entries: readonly CacheEntry[];
  readonly unfinished: Remains;
  readonly now: Date;
  /** Columns of the terminal. */
  readonly width: number;
}

/** What lies in a cache, most recently used first. */
export function renderCache({folder, policy, entries, unfinished, now, width}: CacheView): string[] {
  const sorted = [...entries].sort((a, b) => Date.parse(b.lastUsedOn) - Date.parse(a.lastUsedOn));
  const rows = [
    ['KIND', 'SIZE', 'USED', 'USES', 'SOURCE'],
    ...sorted.map(({kind, sizeBytes, lastUsedOn, uses, source}) => [
      kind,
      formatBytes(sizeBytes),
      formatAge(now.getTime() - Date.parse(lastUsedOn)),
      kind === 'git' ? '' : `${uses}`,
      printable(source),
    ]),
  ];
  const room =
    width -
    widthOf(
      columns(
        rows.map((row) => [...row.slice(0, 4), '']),
        [1, 3],
      ).reduce(longer, ''),
    ) -
    2;
  const table = columns(
    rows.map((row) => [...row.slice(0, 4), shortenMiddle(row[4] ?? '', Math.max(20, room))]),
    [1, 3],
  );
  const allowed = policy.maxBytes === undefined ? 'no limit' : `${formatBytes(policy.maxBytes)} allowed`;
  return [
    ...(entries.length === 0 ? [] : [...table, '']),
    `${formatCount(entries.length, 'entry', 'entries')}, ${formatBytes(storedBytes(entries))} in ${folder} (${allowed})`,
    ...(policy.isEnabled ? [] : ['its policy says enabled: false: nothing is added']),
    ...(unfinished.count === 0
      ? []
      : [
          `${formatCount(unfinished.count, 'unfinished download')}, ${formatBytes(unfinished.sizeBytes)}, to go on with`,
        ]),
    'Debian packages are kept by the engine, in a volume: hypriotkit status',
  ];
}

/** Bytes on the disk: a layer that two images share is there once. */
export function storedBytes(entries: readonly CacheEntry[]): number {
  const sizes = new Map(
    entries.flatMap(({blobs}) => blobs.map(({sha256, sizeBytes}) => [sha256, sizeBytes])),
  );
  return [...sizes.values()].reduce((sum, size) => sum + size, 0);
}

/** One entry, a fact on each line. */
export function renderEntry(entry: CacheEntry): string[] {
  const {kind, source, sizeBytes, addedOn, lastUsedOn, lastCheckedOn, uses, validator, blobs} = entry;
  return columns([
    ['source', printable(source)],
    ['kind', kind],
    ['size', `${formatBytes(sizeBytes)} (${sizeBytes} bytes)`],
    ['added', formatTime(addedOn)],
    ['last used', formatTime(lastUsedOn)],
    ['last checked', formatTime(lastCheckedOn)],
    ...(kind === 'git' ? [] : [['uses', `${uses}`]]),
    ...Object.entries(validator).map(([name, value]) => [name, cleanLine(String(value))]),
    ...blobs.map(({sha256}) => [kind === 'git' ? 'folder' : 'sha256', sha256]),
  ]);
}

/** What went, or would go, with the rule of each. */
export function renderEvictions(
  evictions: readonly Eviction[],
  folder: string,
  {isDryRun}: {readonly isDryRun: boolean},
): string[] {
  if (evictions.length === 0) return [`the policy keeps everything that is in ${folder}`];
  const bytes = storedBytes(evictions.map(({entry}) => entry));
  return [
    `${isDryRun ? 'to be removed' : 'removed'} from ${folder}: ${formatCount(evictions.length, 'entry', 'entries')}, ${formatBytes(bytes)}`,
    // The rule on a line of its own: addresses are long.
    ...evictions.flatMap(({entry, reason}) => [
      `  ${formatBytes(entry.sizeBytes).padStart(8)}  ${printable(entry.source)}`,
      `            ${cleanLine(reason)}`,
    ]),
  ];
}

/** `3 d`, `5 h`, `12 min`: how long ago, in its largest unit. */
function formatAge(ms: number): string {
  const minutes = Math.max(0, Math.floor(ms / 60_000));
  if (minutes < 60) return `${minutes} min`;
  if (minutes < 48 * 60) return `${Math.floor(minutes / 60)} h`;
  return `${Math.floor(minutes / 1440)} d`;
}

/** Without a password, and with nothing that a terminal would obey. */
function printable(source: string): string {
  return cleanLine(source.replace(/^([a-z]+:\/\/)[^/@]*@/i, '$1'));
}

function longer(a: string, b: string): string {
  return widthOf(b) > widthOf(a) ? b : a;
}
