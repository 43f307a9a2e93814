import type {CacheKey} from './cache-entry.ts';

/** Something of which there are versions, and which of them this is. */
export interface IdentifiedVersion {
  readonly name: string;
  readonly version: string;
}

/**
 * Reads the version out of a name: the tag of an OCI image, the month of a ZIM file (`wikipedia_fr_2026-11.zim`, also as
 * a metalink). Undefined for anything else.
 */
export function identifyVersion({kind, source}: CacheKey): IdentifiedVersion | undefined {
  if (kind === 'git') return undefined;
  if (kind === 'oci_image') {
    const [, name, version] = /^([^@]+):([\w.-]+)(?:@.*)?$/.exec(source) ?? [];
    return name === undefined || version === undefined ? undefined : {name, version};
  }
  const path = source.replace(/[?#].*$/, '');
  const [, name, version] = /([^/]+)_(\d{4}-\d{2}[a-z]?)\.zim(?:\.meta4|\.metalink)?$/.exec(path) ?? [];
  return name === undefined || version === undefined ? undefined : {name, version};
}

/** Natural order: numbers by value, so that 1.10 comes after 1.9; text by code units. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [a.split(/(\d+)/), b.split(/(\d+)/)];
  for (let index = 0; index < Math.max(left.length, right.length); index++) {
    const [one = '', other = ''] = [left[index], right[index]];
    if (one === other) continue;
    // At odd places there are digits, in both.
    const byValue = index % 2 === 1 ? compare(BigInt(one || '0'), BigInt(other || '0')) : 0;
    return byValue === 0 ? compare(one, other) : byValue;
  }
  return 0;
}

function compare<T extends bigint | string>(a: T, b: T): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
