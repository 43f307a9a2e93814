/** Which entries go first when there are too many: the oldest ones, the largest ones; `lru`: those not used for longest. */
export type EvictionStrategy = 'oldest' | 'newest' | 'largest' | 'smallest' | 'lru';

export const evictionStrategies: readonly EvictionStrategy[] = [
  'oldest',
  'newest',
  'largest',
  'smallest',
  'lru',
];

/** What every level of a policy may limit; undefined is no limit. */
export interface PolicyLimits {
  readonly maxBytes: number | undefined;
  /** Seconds since an entry was added. */
  readonly maxAgeSeconds: number | undefined;
  readonly maxCount: number | undefined;
  /** Seconds for which the server is not asked whether an entry still is the same. */
  readonly checkAfterSeconds: number | undefined;
  /** How many versions of what has a version in its name are kept; the highest ones. */
  readonly keepIdentifiedVersions: number | undefined;
  readonly eviction: EvictionStrategy;
}

/** Limits for the entries that a pattern matches. */
export interface PolicyFilter extends PolicyLimits {
  /** Searched in the source of an entry, in either case. */
  readonly pattern: RegExp;
  /** These are not cached at all. */
  readonly isIgnored: boolean;
}

export interface PolicyLevel extends PolicyLimits {
  readonly isEnabled: boolean;
  /** The first one that matches an entry holds for it. */
  readonly filters: readonly PolicyFilter[];
}

/** What a cache keeps: `policy.yaml`. */
export interface CachePolicy extends PolicyLimits {
  readonly isEnabled: boolean;
  readonly ociImages: PolicyLevel;
  readonly files: PolicyLevel;
}
