import {findNodeAtLocation, type Node} from 'jsonc-parser';
import {readFile} from 'node:fs/promises';
import {z} from 'zod';
import {ConfigError} from './config-error.ts';
import {parseImageReference} from './image-reference.ts';
import {parseJsonDocument} from './json-document.ts';
import {entryExists, readConfigText} from './read-config-text.ts';
import {quote, type Problem, type SourceText} from './source-text.ts';
import {describe} from './user-file.ts';

/** Name of the lock, beside the user's configs.json. */
export const lockFileName = 'hypriotkit.lock';

/** Raise it when an older hypriotkit could misread the file. */
const lockFormat = 2;

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

export const LockedTool = LockedPackage.pick({name: true, version: true, architecture: true}).extend({
  /** Absent where no index of the archive named the package: only in a Debian image of the user's own. */
  sha256: LockedPackage.shape.sha256.optional(),
});

/** A .deb that is installed in an image with tools. */
export type LockedTool = Readonly<z.infer<typeof LockedTool>>;

export const LockedImage = z.strictObject({
  /** Digest over the image's layers and configuration: the same in every engine that has it. */
  content: LockedPackage.shape.sha256,
  /** Of the file in the package volume that the image can be loaded from. */
  sha256: LockedPackage.shape.sha256,
  /** Of that file, in bytes. */
  size: LockedPackage.shape.size,
});

/** An image that has been built, and can be had again. */
export type LockedImage = Readonly<z.infer<typeof LockedImage>>;

export const LockedTools = z.strictObject({
  image: LockedImage.optional(),
  packages: z.array(LockedTool),
});

/** The image with the tools of one kind of engine. */
export type LockedTools = Readonly<z.infer<typeof LockedTools>>;

/** By architecture of the engine. */
const toolsByArchitecture = z.record(text(/^[a-z0-9][a-z0-9-]{0,31}$/, 'a Debian architecture'), LockedTools);

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

export const LockedPreload = z.strictObject({
  /** Of the manifest for the board's platform. */
  digest: text(/^sha256:[0-9a-f]{64}$/, 'a digest: sha256: and 64 lower-case hex digits'),
});

/** A Docker image that the card has. */
export type LockedPreload = Readonly<z.infer<typeof LockedPreload>>;

export const LockedContent = z.strictObject({
  /** What the server said about it when it was fetched; a change of that is noticed. */
  version: z.string().max(512),
  /** Of a file, or of the manifest of an image. */
  sha256: LockedPackage.shape.sha256,
  /** In bytes. */
  size: z.number().int().nonnegative().max(Number.MAX_SAFE_INTEGER),
});

/** Something that a content image is filled with, from a server. */
export type LockedContent = Readonly<z.infer<typeof LockedContent>>;

export const Lock = z.strictObject({
  format: z.literal(
    lockFormat,
    `must be ${lockFormat}: another format needs the hypriotkit that wrote it, or delete the file and build again`,
  ),
  /** Date of the package archive, in seconds since 1970: every time stamp in what is built. */
  source_date_epoch: z.number().int().min(315_532_800).max(4_354_819_199),
  base_image: z.strictObject({
    /** The pinned Debian image. */
    from: z.string().max(512),
    architectures: toolsByArchitecture,
  }),
  /** The image with the emulator, once something has been booted. */
  boot: z.strictObject({architectures: toolsByArchitecture}).optional(),
  /** By the field of the configuration that names the repository; left out when there is none. */
  sources: z
    .record(text(/^[a-z][a-z0-9_]{0,63}\.[a-z0-9_]{1,63}$/, 'the name of a field'), LockedSource)
    .optional(),
  /** Docker images from registries, by their whole names; left out when there is none. */
  images: z
    .record(
      z.string().refine((name) => parseImageReference(name) !== undefined, 'must be the name of an image'),
      LockedPreload,
    )
    .optional(),
  /** What a content image is filled with, by address or name of an image; left out when there is none. */
  content: z
    .record(text(/^[^\s\p{C}]+(?: [a-z0-9/_.]+)?$/u, 'an address or the name of an image'), LockedContent)
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
  const {base_image: base, boot} = lock;
  const components = sorted(lock.components).map(([name, {request, packages}]) => {
    const fields = sorted(request).map(([key, value]) => [key, quoteJson(value)] as const);
    return [
      name,
      object(
        [
          ['request', object(fields, '      ')],
          ['packages', list(packages.toSorted(byName).map(renderPackage), '      ')],
        ],
        '    ',
      ),
    ] as const;
  });
  const fields = [
    ['format', String(lock.format)],
    ['source_date_epoch', String(lock.source_date_epoch)],
    [
      'base_image',
      object(
        [
          ['from', quoteJson(base.from)],
          ['architectures', renderTools(base.architectures)],
        ],
        '  ',
      ),
    ],
    ...(boot === undefined
      ? []
      : [['boot', object([['architectures', renderTools(boot.architectures)]], '  ')] as const]),
    ...(lock.sources === undefined
      ? []
      : [
          [
            'sources',
            object(
              sorted(lock.sources).map(([field, source]) => [field, renderFields(source)] as const),
              '  ',
            ),
          ] as const,
        ]),
    ...(lock.images === undefined
      ? []
      : [
          [
            'images',
            object(
              sorted(lock.images).map(([name, image]) => [name, renderFields(image)] as const),
              '  ',
            ),
          ] as const,
        ]),
    ...(lock.content === undefined
      ? []
      : [
          [
            'content',
            object(
              sorted(lock.content).map(([name, one]) => [name, renderFields(one)] as const),
              '  ',
            ),
          ] as const,
        ]),
    ['components', object(components, '  ')],
  ] as const;
  return `${object(fields, '')}\n`;
}

function renderTools(architectures: Readonly<Record<string, LockedTools>>): string {
  const rendered = sorted(architectures).map(([architecture, {image, packages}]) => {
    const lines = packages
      .toSorted(byName)
      .map(({name, version, architecture: of, sha256}) =>
        renderFields({name, version, architecture: of, ...(sha256 !== undefined && {sha256})}),
      );
    const fields = [
      ...(image === undefined
        ? []
        : [
            [
              'image',
              renderFields({content: image.content, sha256: image.sha256, size: image.size}),
            ] as const,
          ]),
      ['packages', list(lines, '        ')],
    ] as const;
    return [architecture, object(fields, '      ')] as const;
  });
  return object(rendered, '    ');
}

function list(items: readonly string[], indent: string): string {
  return items.length === 0
    ? '[]'
    : `[\n${items.map((item) => `${indent}  ${item}`).join(',\n')}\n${indent}]`;
}

function object(entries: readonly (readonly [string, string])[], indent: string): string {
  const lines = entries.map(([key, value]) => `${indent}  ${JSON.stringify(key)}: ${value}`);
  return lines.length === 0 ? '{}' : `{\n${lines.join(',\n')}\n${indent}}`;
}

function sorted<T>(record: Readonly<Record<string, T>>): [string, T][] {
  return Object.entries(record).sort(byKey);
}

function renderPackage({name, version, architecture, sha256, size, path}: LockedPackage): string {
  return renderFields({name, version, architecture, sha256, size, path});
}

/** On one line. */
function renderFields(fields: Readonly<Record<string, string | number>>): string {
  const inner = Object.entries(fields).map(([key, value]) => `${quoteJson(key)}: ${JSON.stringify(value)}`);
  return `{${inner.join(', ')}}`;
}

function quoteJson(value: string): string {
  return JSON.stringify(value);
}

function byKey([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function byName(a: LockedTool, b: LockedTool): number {
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

/** What an image's `packages.tsv` says: the packages that are installed in it, by line. */
export function parseToolList(text: string): LockedTool[] {
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => {
      const [name, version, architecture, sha256] = line.split('\t');
      return LockedTool.parse({name, version, architecture, ...(sha256 && {sha256})});
    });
}

/** The same text again. */
export function renderToolList(tools: readonly LockedTool[]): string {
  return tools
    .map(({name, version, architecture, sha256}) => [name, version, architecture, sha256 ?? ''].join('\t'))
    .sort((a, b) => (a < b ? -1 : 1))
    .map((line) => `${line}\n`)
    .join('');
}

/** Whether two locks say the same, whatever their files look like. */
export async function isWritten(file: string, lock: Lock): Promise<boolean> {
  return (await readFile(file, 'utf8').catch(() => undefined)) === renderLock(lock);
}
