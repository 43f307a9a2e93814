import {findNodeAtLocation, type Node} from 'jsonc-parser';
import {readFile} from 'node:fs/promises';
import {z} from 'zod';
import {ConfigError} from './config-error.ts';
import {parseJsonDocument} from './json-document.ts';
import {entryExists, readConfigText} from './read-config-text.ts';
import {quote, type Problem, type SourceText} from './source-text.ts';
import {describe} from './user-file.ts';

/** Name of the lock, beside the user's configs.json. */
export const lockFileName = 'hypriotkit.lock';

/** Raise it when an older hypriotkit could misread the file. */
const lockFormat = 1;

const text = (pattern: RegExp, what: string) => z.string().regex(pattern, `must be ${what}`);

// What becomes part of a file name, a path or a shell script is no more than Debian's policy allows.
export const LockedPackage = z.strictObject({
  name: text(/^[a-z0-9][a-z0-9+.-]{0,127}$/, 'the name of a Debian package'),
  version: text(/^[A-Za-z0-9][A-Za-z0-9.+:~-]{0,127}$/, 'the version of a Debian package'),
  architecture: text(/^[a-z0-9][a-z0-9-]{0,31}$/, 'a Debian architecture'),
  sha256: text(/^[0-9a-f]{64}$/, 'a SHA-256 of 64 lower-case hex digits'),
  size: z.number().int().positive().max(Number.MAX_SAFE_INTEGER),
  /** On the mirror, relative to its root. */
  path: text(
    /^(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9+._~%/-]{0,511}\.deb$/,
    'the path of a .deb on the mirror, relative and without ".."',
  ),
});

/** One .deb. */
export type LockedPackage = Readonly<z.infer<typeof LockedPackage>>;

export const LockedComponent = z.strictObject({
  /** What the list was asked for: the settings of the step that resolved it, and digests of the lists that it builds on. */
  request: z.record(text(/^[A-Za-z][A-Za-z0-9_.]{0,63}$/, 'the name of a setting'), z.string()),
  packages: z.array(LockedPackage).superRefine((packages, context) => {
    const seen = new Set<string>();
    for (const [index, {name, architecture}] of packages.entries()) {
      const key = `${name}:${architecture}`;
      if (seen.has(key)) {
        context.addIssue({code: 'custom', path: [index, 'name'], message: `must not list ${key} twice`});
      }
      seen.add(key);
    }
  }),
});

export type LockedComponent = Readonly<z.infer<typeof LockedComponent>>;

export const LockedSource = z.strictObject({
  /** As in the configuration, without user and password. */
  repository: z.string().max(2048),
  /** What was asked for: a branch, a tag or a commit. */
  ref: z.string().max(255),
  commit: text(/^(?:[0-9a-f]{40}|[0-9a-f]{64})$/, 'a whole commit id'),
});

/** The commit of a git repository. */
export type LockedSource = Readonly<z.infer<typeof LockedSource>>;

export const Lock = z.strictObject({
  format: z.literal(lockFormat, `must be ${lockFormat}: another format needs another version of hypriotkit`),
  /** Date of the package archive, in seconds since 1970: every time stamp in what is built. */
  source_date_epoch: z.number().int().min(315_532_800).max(4_354_819_199),
  base_image: z.strictObject({
    /** The pinned Debian image. */
    from: z.string().max(512),
    /** By architecture of the engine: the packages in the base image, as `name:architecture=version`, sorted. */
    packages: z.record(
      text(/^[a-z0-9][a-z0-9-]{0,31}$/, 'a Debian architecture'),
      z.array(
        text(
          /^[a-z0-9][a-z0-9+.-]*:[a-z0-9-]+=[A-Za-z0-9][A-Za-z0-9.+:~-]*$/,
          'a package as name:architecture=version',
        ),
      ),
    ),
  }),
  /** By the field of the configuration that names the repository; left out when there is none. */
  sources: z
    .record(text(/^[a-z][a-z0-9_]{0,63}\.[a-z0-9_]{1,63}$/, 'the name of a field'), LockedSource)
    .optional(),
  /** By component. */
  components: z.record(text(/^[a-z][a-z0-9_]{0,63}$/, 'the name of a component'), LockedComponent),
});

/** Everything that a build took from elsewhere. */
export type Lock = Readonly<z.infer<typeof Lock>>;

/**
 * Reads a lock file.
 *
 * @returns undefined when there is none.
 * @throws ConfigError with everything that is wrong in it, at its position.
 */
export async function readLock(file: string): Promise<Lock | undefined> {
  return (await entryExists(file)) ? parseLock(await readConfigText(file)) : undefined;
}

/** @throws ConfigError with everything that is wrong, at its position. */
export function parseLock(source: SourceText): Lock {
  const document = parseJsonDocument(source.text);
  const problems: Problem[] = document.problems.map((problem) => ({
    ...problem,
    message:
      problem.span.length === 0 ? 'the lock file is empty; delete it and build again' : problem.message,
  }));
  if (document.root !== undefined && problems.length === 0) {
    const root = document.root;
    // Not from the nodes: JSON.parse alone gives a key `__proto__` no meaning.
    const result = Lock.safeParse(JSON.parse(source.text.replace(/^\ufeff/, '')));
    if (result.success) return result.data;
    problems.push(...result.error.issues.flatMap((issue) => toProblems(issue, root)));
  }
  problems.sort((a, b) => a.span.offset - b.span.offset);
  throw new ConfigError(
    'CONFIG_INVALID',
    problems.map((problem) => source.toIssue(problem, source.text)),
  );
}

function toProblems(issue: z.core.$ZodIssue, root: Node): Problem[] {
  const path = issue.path.map((part) => (typeof part === 'symbol' ? String(part) : part));
  const node = findNodeAtLocation(root, path) ?? root;
  const where = path.length === 0 ? 'the lock' : path.join('.');
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      span: keyNode(node, key) ?? node,
      message: `${where} has no field ${quote(key)}`,
    }));
  }
  if (issue.code === 'invalid_key') {
    const message = issue.issues[0]?.message ?? issue.message;
    return [{span: node.parent?.children?.[0] ?? node, message: `${quote(String(path.at(-1)))} ${message}`}];
  }
  if (findNodeAtLocation(root, path) === undefined) {
    const parent = findNodeAtLocation(root, path.slice(0, -1)) ?? root;
    return [{span: {offset: parent.offset, length: 1}, message: `${where} is missing`}];
  }
  const message = issue.message.startsWith('must ') ? issue.message : `is wrong: ${issue.message}`;
  return [{span: node, message: `${where} ${message}`, found: describe(node)}];
}

function keyNode(object: Node, key: string): Node | undefined {
  return object.children?.find((property) => property.children?.[0]?.value === key)?.children?.[0];
}

/** The text of a lock file: sorted, one package on each line, so that a change of one is a change of one line. */
export function renderLock(lock: Lock): string {
  const {base_image: base, components} = lock;
  const list = (items: readonly string[], indent: string) =>
    items.length === 0 ? '[]' : `[\n${items.map((item) => `${indent}  ${item}`).join(',\n')}\n${indent}]`;
  const object = (entries: readonly (readonly [string, string])[], indent: string) =>
    entries.length === 0
      ? '{}'
      : `{\n${entries.map(([key, value]) => `${indent}  ${JSON.stringify(key)}: ${value}`).join(',\n')}\n${indent}}`;
  const packages = Object.entries(base.packages)
    .sort(byKey)
    .map(([architecture, names]) => [architecture, list(names.toSorted().map(quoteJson), '      ')] as const);
  const locked = Object.entries(components)
    .sort(byKey)
    .map(([name, component]) => {
      const request = Object.entries(component.request)
        .sort(byKey)
        .map(([key, value]) => [key, quoteJson(value)] as const);
      const lines = component.packages.toSorted(byName).map(renderPackage);
      const fields = [
        ['request', object(request, '      ')],
        ['packages', list(lines, '      ')],
      ] as const;
      return [name, object(fields, '    ')] as const;
    });
  const sources = Object.entries(lock.sources ?? {})
    .sort(byKey)
    .map(([field, source]) => [field, renderLine(source)] as const);
  const fields = [
    ['format', String(lock.format)],
    ['source_date_epoch', String(lock.source_date_epoch)],
    [
      'base_image',
      object(
        [
          ['from', quoteJson(base.from)],
          ['packages', object(packages, '    ')],
        ],
        '  ',
      ),
    ],
    ...(sources.length === 0 ? [] : [['sources', object(sources, '  ')] as const]),
    ['components', object(locked, '  ')],
  ] as const;
  return `${object(fields, '')}\n`;
}

function renderPackage({name, version, architecture, sha256, size, path}: LockedPackage): string {
  return renderLine({name, version, architecture, sha256, size, path});
}

function renderLine(fields: object): string {
  const inner = Object.entries(fields).map(([key, value]) => `${quoteJson(key)}: ${JSON.stringify(value)}`);
  return `{${inner.join(', ')}}`;
}

function quoteJson(value: string): string {
  return JSON.stringify(value);
}

function byKey([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function byName(a: LockedPackage, b: LockedPackage): number {
  return byKey([`${a.name}\t${a.architecture}`, 0], [`${b.name}\t${b.architecture}`, 0]);
}

/** The list of packages as a step's `list.tsv` has it. */
export function renderPackageList(packages: readonly LockedPackage[]): string {
  const lines = packages.map(({name, version, architecture, sha256, size, path}) =>
    [name, version, architecture, sha256, size, path].join('\t'),
  );
  return lines
    .sort((a, b) => (a < b ? -1 : 1))
    .map((line) => `${line}\n`)
    .join('');
}

/** Reads a `list.tsv`. @throws Error for a line that is none: a step wrote something else than its contract says. */
export function parsePackageList(list: string): LockedPackage[] {
  return list
    .split('\n')
    .filter(Boolean)
    .map((line) => {
      const [name, version, architecture, sha256, size, path] = line.split('\t');
      return LockedPackage.parse({name, version, architecture, sha256, size: Number(size), path});
    });
}

/** What differs between two locks, one sentence each, for people: what was, and what is now. */
export function diffLocks(before: Lock, now: Lock): string[] {
  const lines: string[] = [];
  if (before.source_date_epoch !== now.source_date_epoch) {
    lines.push(`date of the archive ${day(before.source_date_epoch)} → ${day(now.source_date_epoch)}`);
  }
  if (before.base_image.from !== now.base_image.from) {
    lines.push(`base_image: ${before.base_image.from} → ${now.base_image.from}`);
  }
  for (const architecture of sortedUnion(before.base_image.packages, now.base_image.packages)) {
    const old = before.base_image.packages[architecture];
    const current = now.base_image.packages[architecture];
    // An engine of another architecture adds its own; it changes nothing.
    if (old !== undefined && current !== undefined) lines.push(...diffBasePackages(old, current));
  }
  for (const field of sortedUnion(before.sources ?? {}, now.sources ?? {})) {
    lines.push(...diffSource(field, before.sources?.[field], now.sources?.[field]));
  }
  for (const component of sortedUnion(before.components, now.components)) {
    const old = before.components[component];
    const current = now.components[component];
    if (current === undefined) lines.push(`${component}: no longer locked`);
    else if (old === undefined)
      lines.push(`${component}: ${current.packages.length} packages, new in the lock`);
    else lines.push(...diffPackages(old.packages, current.packages).map((line) => `${component}: ${line}`));
  }
  return lines;
}

function diffSource(
  field: string,
  before: LockedSource | undefined,
  now: LockedSource | undefined,
): string[] {
  const show = ({repository, ref, commit}: LockedSource) => `${repository}#${ref} ${commit.slice(0, 12)}`;
  if (now === undefined) return [`${field}: no longer locked`];
  if (before === undefined) return [`${field}: ${show(now)}, new in the lock`];
  if (before.repository === now.repository && before.ref === now.ref) {
    return before.commit === now.commit
      ? []
      : [`${field}: ${now.ref} ${before.commit.slice(0, 12)} → ${now.commit.slice(0, 12)}`];
  }
  return [`${field}: ${show(before)} → ${show(now)}`];
}

/** The same for two lists of `name:architecture=version`. */
export function diffBasePackages(before: readonly string[], now: readonly string[]): string[] {
  const parse = (items: readonly string[]) =>
    new Map(items.map((item) => [item.slice(0, item.indexOf('=')), item.slice(item.indexOf('=') + 1)]));
  return diffVersions(parse(before), parse(now)).map((line) => `base_image: ${line}`);
}

function diffPackages(before: readonly LockedPackage[], now: readonly LockedPackage[]): string[] {
  const digests = new Map(before.map((item) => [keyOf(item), item]));
  const versions = (items: readonly LockedPackage[]) =>
    new Map(items.map((item) => [keyOf(item), item.version]));
  const rebuilt = now
    .filter((item) => digests.get(keyOf(item))?.version === item.version)
    .filter((item) => digests.get(keyOf(item))?.sha256 !== item.sha256)
    .map((item) => `${keyOf(item)} ${item.version} has another SHA-256`);
  return [...diffVersions(versions(before), versions(now)), ...rebuilt].sort();
}

/** `all` and the target's architecture are told apart only where a package moves from one to the other. */
function keyOf({name}: LockedPackage): string {
  return name;
}

function diffVersions(before: ReadonlyMap<string, string>, now: ReadonlyMap<string, string>): string[] {
  return [...new Set([...before.keys(), ...now.keys()])].sort().flatMap((name) => {
    const old = before.get(name);
    const current = now.get(name);
    if (old === current) return [];
    if (old === undefined) return [`${name} added, ${current ?? ''}`];
    return [current === undefined ? `${name} removed, was ${old}` : `${name} ${old} → ${current}`];
  });
}

function sortedUnion(a: object, b: object): string[] {
  return [...new Set([...Object.keys(a), ...Object.keys(b)])].sort();
}

function day(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace('.000Z', 'Z');
}

/** Whether two locks say the same, whatever their files look like. */
export async function isWritten(file: string, lock: Lock): Promise<boolean> {
  return (await readFile(file, 'utf8').catch(() => undefined)) === renderLock(lock);
}
