import {readFile, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {isMap, isNode, isScalar} from 'yaml';
import {formatByteSize, formatTimeSpan} from '../../configs/human-units.ts';
import {findNearestName} from '../../configs/nearest-name.ts';
import type {Problem} from '../../configs/source-text.ts';
import {checkYaml, parseYaml, spanOf, throwProblems, type YamlFile} from '../personalise/yaml-file.ts';
import {PolicyDocument, policyKeys, type LevelDocument, type LimitsDocument} from './policy-schema.ts';
import type {CachePolicy, PolicyFilter, PolicyLevel, PolicyLimits} from './policy.ts';

export const policyFileName = 'policy.yaml';

/** What holds where a policy does not say it. */
const defaultMaxBytes = 10 * 1024 ** 3;

/** The policy that is written where there is none. */
export const defaultPolicyText = `# What this cache keeps. Everything is optional; the values here are the defaults.
# All keys are described in docs/cache.md; \`hypriotkit cache prune --dry-run\` shows what a change would do.
---
enabled: true          # false: nothing is cached
max_size: 10GiB        # of everything; 0: no limit
# max_age: 90d         # since it was added; what is older goes
# max_num: 1000        # entries
# check_after: 1d      # for so long the server is not asked whether a file still is the same
# keep_identified_versions: 1   # highest versions kept of what has one (name_2026-11.zim, image:1.2)
eviction: lru          # what goes first: lru (unused for longest), oldest, newest, largest, smallest
oci_images:
  enabled: true
  eviction: lru
files:                 # content files and base images
  enabled: true
  eviction: lru
  # filters:           # the first whose pattern is found in the address holds for it
  # - pattern: download\\.kiwix\\.org/zim/
  #   max_size: 5GiB
  # - pattern: /nightly/
  #   ignore: true
`;

/**
 * Reads the policy of a cache folder. Where there is none the default one is written; where that cannot be, it holds
 * all the same.
 *
 * @throws ConfigError `CONFIG_INVALID` with the place of everything that is wrong.
 */
export async function readPolicy(folder: string, {isReadOnly = false} = {}): Promise<CachePolicy> {
  const file = join(folder, policyFileName);
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  });
  if (text !== undefined) return parsePolicy(file, text);
  if (isReadOnly) return parsePolicy(file, defaultPolicyText);
  // Another process may write it at the same moment, and has the same to say; a full disk can do without it.
  await writeFile(file, defaultPolicyText, {flag: 'wx'}).catch((error: unknown) => {
    const {code} = error as NodeJS.ErrnoException;
    if (code !== 'EEXIST' && code !== 'ENOSPC' && code !== 'EDQUOT') throw error;
  });
  return parsePolicy(file, defaultPolicyText);
}

/**
 * @param file Absolute; for messages.
 * @throws ConfigError `CONFIG_INVALID` with the place of everything that is wrong.
 */
export function parsePolicy(file: string, text: string): CachePolicy {
  const yaml = parseYaml(file, text);
  const root = yaml.document.contents;
  if (root === null || (isScalar(root) && root.value === null)) return toPolicy(PolicyDocument.parse({}));
  throwProblems(yaml, [...findUnknownKeys(yaml), ...checkYaml(yaml, PolicyDocument)].sort(bySpan));
  const document = PolicyDocument.parse(yaml.document.toJS());
  throwProblems(yaml, findWiderLevels(yaml, document));
  return toPolicy(document);
}

function bySpan(a: Problem, b: Problem): number {
  return a.span.offset - b.span.offset;
}

/** What `cache policy` shows of a level: its own limits, and those that hold because nothing else is said. */
function toPolicy(document: PolicyDocument): CachePolicy {
  return {
    ...toLimits(document),
    maxBytes: limit(document.max_size ?? defaultMaxBytes),
    isEnabled: document.enabled,
    ociImages: toLevel(document.oci_images),
    files: toLevel(document.files),
  };
}

function toLevel(level: LevelDocument): PolicyLevel {
  return {
    ...toLimits(level),
    isEnabled: level.enabled,
    filters: level.filters.map((filter): PolicyFilter => ({
      ...toLimits(filter),
      pattern: filter.pattern,
      isIgnored: filter.ignore,
    })),
  };
}

function toLimits(document: LimitsDocument): PolicyLimits {
  return {
    maxBytes: limit(document.max_size),
    maxAgeSeconds: limit(document.max_age),
    maxCount: limit(document.max_num),
    checkAfterSeconds: limit(document.check_after),
    keepIdentifiedVersions: limit(document.keep_identified_versions),
    eviction: document.eviction ?? 'lru',
  };
}

function limit(value: number | undefined): number | undefined {
  return value === 0 ? undefined : value;
}

function findUnknownKeys(yaml: YamlFile): Problem[] {
  const levels = ['oci_images', 'files'] as const;
  return [
    ...unknownKeysAt(yaml, [], policyKeys.main),
    ...levels.flatMap((name) => unknownKeysAt(yaml, [name], policyKeys.level)),
    ...levels.flatMap((name) =>
      itemsAt(yaml, [name, 'filters']).flatMap((index) =>
        unknownKeysAt(yaml, [name, 'filters', index], policyKeys.filter),
      ),
    ),
  ];
}

function itemsAt(yaml: YamlFile, path: readonly string[]): number[] {
  const value: unknown = path.reduce<unknown>(
    (found, key) =>
      typeof found === 'object' && found !== null ? (found as Record<string, unknown>)[key] : undefined,
    yaml.document.toJS(),
  );
  return Array.isArray(value) ? [...value.keys()] : [];
}

function unknownKeysAt(yaml: YamlFile, path: readonly PropertyKey[], known: readonly string[]): Problem[] {
  const node = path.length === 0 ? yaml.document.contents : yaml.document.getIn(path, true);
  if (!isMap(node)) return [];
  return node.items.flatMap(({key}): Problem[] => {
    const name = isScalar(key) ? String(key.value) : '';
    if (known.includes(name)) return [];
    // The example in the reference's own tracker has `enabled` in a filter, which no version has read.
    const suggestion = name === 'enabled' ? 'ignore' : findNearestName(name, known);
    const range = isNode(key) ? key.range : undefined;
    return [
      {
        span: {offset: range?.[0] ?? 0, length: Math.max(1, (range?.[1] ?? 1) - (range?.[0] ?? 0))},
        message: `${[...path, name].map(String).join('.')} is not known: there are ${known.join(', ')}`,
        ...(suggestion !== undefined && {suggestion}),
      },
    ];
  });
}

type Bound = 'max_size' | 'max_age' | 'max_num';
const bounds: readonly (readonly [Bound, (value: number) => string])[] = [
  ['max_size', formatByteSize],
  ['max_age', formatTimeSpan],
  ['max_num', String],
];

/** A level is bound by the one above it: what it allows beyond that would never be kept. */
function findWiderLevels(yaml: YamlFile, document: PolicyDocument): Problem[] {
  const problems: Problem[] = [];
  const compare = (
    path: readonly PropertyKey[],
    limits: LimitsDocument,
    above: readonly (readonly [name: string, limits: LimitsDocument])[],
  ) => {
    for (const [key, format] of bounds) {
      const own = limits[key] ?? 0;
      const bound = above.find(([, {[key]: value}]) => (value ?? 0) > 0);
      const allowed = bound?.[1][key];
      if (own === 0 || bound === undefined || allowed === undefined || own <= allowed) continue;
      const isDefault = key === 'max_size' && bound[0] === '' && document.max_size === undefined;
      problems.push({
        span: spanOf(yaml, [...path, key]),
        message: `${[...path, key].map(String).join('.')} is ${format(own)}, but ${bound[0]}${key} above it allows ${format(allowed)}${isDefault ? ' where it is not set' : ''}`,
      });
    }
  };
  const main = {...document, max_size: document.max_size ?? defaultMaxBytes};
  for (const name of ['oci_images', 'files'] as const) {
    const level: LimitsDocument = document[name];
    compare([name], level, [['', main]]);
    for (const [index, filter] of document[name].filters.entries()) {
      compare([name, 'filters', index], filter, [
        [`${name}.`, level],
        ['', main],
      ]);
    }
  }
  return problems;
}
