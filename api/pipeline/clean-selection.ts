import type {StoreEntry} from '../../volumes/store-entry.ts';

/** What is asked about an entry, wherever it lies. */
export interface SelectableEntry {
  readonly step: string;
  readonly fingerprint: string;
  /** ISO 8601, UTC. */
  readonly createdAt: string;
  readonly sizeBytes: number;
}

/** Which entries are asked for. What is not given does not count. */
export interface EntryCriteria<T extends SelectableEntry = SelectableEntry> {
  readonly components?: ReadonlySet<string> | undefined;
  /** True for an entry that the current configuration would use. */
  readonly isReachable?: ((entry: T) => boolean) | undefined;
  readonly olderThanMs?: number | undefined;
  readonly keepBytes?: number | undefined;
}

/** The entries that meet every criterion that is given, newest first. */
export function selectEntries<T extends SelectableEntry>(
  entries: readonly T[],
  criteria: EntryCriteria<T>,
  nowMs = Date.now(),
): T[] {
  const {components, isReachable, olderThanMs, keepBytes} = criteria;
  const newestFirst = [...entries].sort(byAge);
  const kept = keepBytes === undefined ? undefined : newestThatFit(newestFirst, keepBytes);
  return newestFirst.filter(
    (entry) =>
      (components === undefined || components.has(componentOf(entry.step))) &&
      (isReachable === undefined || !isReachable(entry)) &&
      (olderThanMs === undefined || nowMs - Date.parse(entry.createdAt) >= olderThanMs) &&
      kept?.has(entry) !== true,
  );
}

/** An entry of a volume, with its size. */
export function withSize(entry: StoreEntry): StoreEntry & SelectableEntry {
  return {...entry, sizeBytes: sizeOf(entry)};
}

/** From the newest on, until one does not fit: an older one that would fit is not worth more than a newer one. */
function newestThatFit<T extends SelectableEntry>(newestFirst: readonly T[], bytes: number): ReadonlySet<T> {
  const kept = new Set<T>();
  let left = bytes;
  for (const entry of newestFirst) {
    left -= entry.sizeBytes;
    if (left < 0) break;
    kept.add(entry);
  }
  return kept;
}

/** Bytes of an entry's files. */
export function sizeOf(entry: StoreEntry): number {
  return entry.files.reduce((sum, file) => sum + file.sizeBytes, 0);
}

/** A component may have several steps, as `rpi_sd_image` and `rpi_sd_image.docker`. */
function componentOf(step: string): string {
  return step.replace(/\..*/, '');
}

function byAge(a: SelectableEntry, b: SelectableEntry): number {
  if (a.createdAt !== b.createdAt) return a.createdAt < b.createdAt ? 1 : -1;
  return a.fingerprint < b.fingerprint ? -1 : 1;
}
