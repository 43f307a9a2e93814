import {formatByteSize, formatTimeSpan} from '../../configs/human-units.ts';
import type {CacheBlob, CacheKey} from './cache-entry.ts';
import {compareVersions, identifyVersion} from './identified-version.ts';
import type {CachePolicy, EvictionStrategy, PolicyFilter, PolicyLevel, PolicyLimits} from './policy.ts';

/** What a policy is applied to: an entry, or one that would be added. */
export interface EvictionItem extends CacheKey {
  readonly blobs: readonly CacheBlob[];
  readonly sizeBytes: number;
  readonly addedOn: string;
  readonly lastUsedOn: string;
  /** In use: it stays, and what it takes is counted first. */
  readonly isPinned: boolean;
}

/** What has to go, and by which rule. */
export interface PlannedEviction<T> {
  readonly item: T;
  readonly reason: string;
}

/**
 * Applies a policy, in this order: the level `oci_images` and then `files`, each filter in the order of the file and then
 * the level's own limits; last the main limits, over everything. What a lower level has evicted does not count above it.
 *
 * Within a set of limits entries are looked at in the order in which they deserve to stay. One that is too old, or does
 * not fit beside those that stay already, goes; a smaller one after it may still fit. At the end, of what has a version
 * only the highest ones stay. A blob that several entries share counts once.
 *
 * @param nowMs Milliseconds since 1970.
 * @returns in the order of the decisions.
 */
export function planEvictions<T extends EvictionItem>(
  policy: CachePolicy,
  items: readonly T[],
  nowMs: number,
): readonly PlannedEviction<T>[] {
  const round = new Round(items, nowMs);
  round.applyLevel('oci_images', policy.ociImages, (item) => item.kind === 'oci_image');
  round.applyLevel('files', policy.files, (item) => item.kind === 'file');
  if (policy.isEnabled) round.applyLimits('', policy, round.remaining());
  else round.evictAll(round.remaining(), 'enabled: false');
  return round.evictions;
}

/** The filter of a policy that holds for an entry. */
export function findFilter(policy: CachePolicy, {kind, source}: CacheKey): PolicyFilter | undefined {
  return levelOf(policy, kind)?.filters.find(({pattern}) => pattern.test(source));
}

/** For how long a server is not asked about an entry: by its filter, else its level, else the main one. */
export function checkAfterSeconds(policy: CachePolicy, key: CacheKey): number {
  const levels = [findFilter(policy, key), levelOf(policy, key.kind), policy];
  return levels.find((level) => level?.checkAfterSeconds !== undefined)?.checkAfterSeconds ?? 0;
}

function levelOf(policy: CachePolicy, kind: CacheKey['kind']): PolicyLevel | undefined {
  return kind === 'git' ? undefined : kind === 'file' ? policy.files : policy.ociImages;
}

class Round<T extends EvictionItem> {
  readonly evictions: PlannedEviction<T>[] = [];
  readonly #items: readonly T[];
  readonly #nowMs: number;
  readonly #evicted = new Set<T>();

  constructor(items: readonly T[], nowMs: number) {
    this.#items = items;
    this.#nowMs = nowMs;
  }

  remaining(): readonly T[] {
    return this.#items.filter((item) => !this.#evicted.has(item));
  }

  applyLevel(name: string, level: PolicyLevel, isOfLevel: (item: T) => boolean): void {
    const own = () => this.remaining().filter(isOfLevel);
    if (!level.isEnabled) {
      this.evictAll(own(), `${name}.enabled: false`);
      return;
    }
    const matched = new Map<PolicyFilter, T[]>(level.filters.map((filter) => [filter, []]));
    for (const item of own()) {
      const filter = level.filters.find(({pattern}) => pattern.test(item.source));
      if (filter !== undefined) matched.get(filter)?.push(item);
    }
    for (const [index, filter] of level.filters.entries()) {
      const path = `${name}.filters[${index}].`;
      const those = matched.get(filter) ?? [];
      if (filter.isIgnored) this.evictAll(those, `${path}ignore`);
      else this.applyLimits(path, filter, those);
    }
    this.applyLimits(`${name}.`, level, own());
  }

  applyLimits(path: string, limits: PolicyLimits, items: readonly T[]): void {
    const {maxBytes = Infinity, maxCount = Infinity, maxAgeSeconds = Infinity} = limits;
    const kept: T[] = [];
    const counted = new Set<string>();
    let total = 0;
    for (const item of inOrderOfMerit(items, limits.eviction)) {
      const fresh = new Map(
        item.blobs
          .filter(({sha256}) => !counted.has(sha256))
          .map(({sha256, sizeBytes}) => [sha256, sizeBytes]),
      );
      const bytes = [...fresh.values()].reduce((sum, sizeBytes) => sum + sizeBytes, 0);
      const age = (this.#nowMs - Date.parse(item.addedOn)) / 1000;
      const reason =
        age > maxAgeSeconds
          ? `${path}max_age: added ${formatTimeSpan(age)} ago, kept for ${formatTimeSpan(maxAgeSeconds)}`
          : total + bytes > maxBytes
            ? `${path}max_size: ${formatByteSize(total + bytes)} with it, ${formatByteSize(maxBytes)} allowed`
            : kept.length + 1 > maxCount
              ? `${path}max_num: ${maxCount} others stay`
              : undefined;
      if (reason !== undefined && !item.isPinned) {
        this.#evict(item, reason);
        continue;
      }
      for (const sha256 of fresh.keys()) counted.add(sha256);
      total += bytes;
      kept.push(item);
    }
    if (limits.keepIdentifiedVersions !== undefined) {
      this.#keepVersions(path, limits.keepIdentifiedVersions, kept);
    }
  }

  evictAll(items: readonly T[], reason: string): void {
    for (const item of items) if (!item.isPinned) this.#evict(item, reason);
  }

  #keepVersions(path: string, count: number, items: readonly T[]): void {
    const versions = new Map<string, {readonly item: T; readonly version: string}[]>();
    for (const item of items) {
      const found = identifyVersion(item);
      if (found === undefined) continue;
      const name = `${item.kind} ${found.name}`;
      versions.set(name, [...(versions.get(name) ?? []), {item, version: found.version}]);
    }
    for (const those of versions.values()) {
      const names = [...new Set(those.map(({version}) => version))].sort((a, b) => compareVersions(b, a));
      const kept = names.slice(0, count);
      for (const {item, version} of those) {
        if (kept.includes(version) || item.isPinned) continue;
        this.#evict(item, `${path}keep_identified_versions: ${kept.join(', ')} stays instead of ${version}`);
      }
    }
  }

  #evict(item: T, reason: string): void {
    this.#evicted.add(item);
    this.evictions.push({item, reason});
  }
}

/** Those that must stay come first; equal ones in the order of their names, so that the same always goes. */
function inOrderOfMerit<T extends EvictionItem>(
  items: readonly T[],
  strategy: EvictionStrategy,
): readonly T[] {
  const merit: Readonly<Record<EvictionStrategy, (a: T, b: T) => number>> = {
    lru: (a, b) => Date.parse(b.lastUsedOn) - Date.parse(a.lastUsedOn),
    oldest: (a, b) => Date.parse(b.addedOn) - Date.parse(a.addedOn),
    newest: (a, b) => Date.parse(a.addedOn) - Date.parse(b.addedOn),
    largest: (a, b) => a.sizeBytes - b.sizeBytes,
    smallest: (a, b) => b.sizeBytes - a.sizeBytes,
  };
  return [...items].sort(
    (a, b) =>
      Number(b.isPinned) - Number(a.isPinned) ||
      merit[strategy](a, b) ||
      (a.source < b.source ? -1 : a.source > b.source ? 1 : 0),
  );
}
