import {createHash} from 'node:crypto';
import {z} from 'zod';
import type {StoreEntry} from '../../volumes/store-entry.ts';
import type {Step} from '../components/step.ts';
import {shortenLists} from './shorten-list.ts';

/** Raise it when the meaning of a field of {@link FingerprintInputs} changes: no older artifact then matches. */
export const fingerprintFormat = 1;

/**
 * Every input that can change what a step makes, and nothing that cannot. Same inputs, same bytes.
 *
 * Left out on purpose: paths, times and owners of files, verbosity, number of jobs, name and address of the engine,
 * names that the user gives to images.
 */
export const FingerprintInputs = z.object({
  format: z.literal(fingerprintFormat),
  /** Two steps may be told the same and do different things. */
  step: z.string(),
  /** Our own promise about the step's files; changes without a change of its scripts. */
  contract: z.number(),
  /** Scripts and Dockerfile of the build image: what runs. */
  buildImage: z.string(),
  /** Packages and scripts of the base image: the tools that it runs with. */
  baseImage: z.string(),
  /** One build image can have several commands. */
  command: z.array(z.string()),
  /** What the configuration says, as the container is told it. By variable; the field is kept to explain a change. */
  settings: z.record(
    z.string(),
    z.object({field: z.string(), value: z.string(), derived: z.boolean().optional()}),
  ),
  /** Digest over names and contents of each input's files, by step: content, because a rebuilt input may be the same. */
  inputs: z.record(z.string(), z.string()),
  /** Every time stamp in the output, seconds since 1970. For a step that resolves: the archive's date. */
  epoch: z.number(),
  /**
   * Of a step that resolves and whose list the lock has: the digest of that list, which says everything. What installs
   * the packages has the list among its `inputs`, wherever it came from.
   */
  list: z.string().optional(),
  /** Of a step that resolves: the digest of the list that it stays as close to as it can. */
  previous: z.string().optional(),
});

export type FingerprintInputs = z.infer<typeof FingerprintInputs>;

export interface FingerprintContext {
  readonly buildImage: string;
  readonly baseImage: string;
  readonly epoch: number;
  readonly previousList?: string | undefined;
  /** The finished entries of the step's inputs, by step. */
  readonly inputs: ReadonlyMap<string, StoreEntry>;
}

/** Collects the inputs of a step's fingerprint. */
export function fingerprintInputs(step: Step, context: FingerprintContext): FingerprintInputs {
  return {
    format: fingerprintFormat,
    step: step.name,
    contract: step.contract,
    buildImage: context.buildImage,
    baseImage: context.baseImage,
    command: [...step.command],
    settings: Object.fromEntries(
      step.settings.map(({variable, field, value, secret, derived}) => [
        variable,
        {
          field,
          value: secret ? `secret:${sha256(`hypriotkit ${variable} ${value}`)}` : value,
          ...(derived && {derived}),
        },
      ]),
    ),
    inputs: Object.fromEntries([...context.inputs].map(([name, entry]) => [name, contentDigest(entry)])),
    epoch: context.epoch,
    ...(context.previousList !== undefined && {previous: sha256(context.previousList)}),
  };
}

/** The inputs of a step that resolves when the lock has its list: nothing else can change what it makes. */
export function lockedListInputs(step: Step, list: string): FingerprintInputs {
  return {
    ...fingerprintInputs(step, {buildImage: '', baseImage: '', epoch: 0, inputs: new Map()}),
    list: sha256(list),
  };
}

/** Hex SHA-256 over the canonical form of the inputs: the identity of a step. */
export function fingerprint(inputs: FingerprintInputs): string {
  return sha256(canonicalJson(inputs));
}

/** Digest over the names and contents of an entry's files, whatever they were made from. */
export function contentDigest(entry: Pick<StoreEntry, 'files'>): string {
  const files = entry.files
    .map((file) => [file.name, file.sha256])
    .sort(([a = ''], [b = '']) => (a < b ? -1 : 1));
  return sha256(canonicalJson(files));
}

/** JSON with the keys of every object sorted by code unit, so that the order in which it was built does not count. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) =>
    item !== null && typeof item === 'object' && !Array.isArray(item)
      ? Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1)))
      : item,
  );
}

/**
 * Says which inputs differ, each with its old and its new value, for people. Contents are shown by the first digits of
 * their digests, secrets not at all, and of long lists what only one of the two has.
 *
 * @param unknown steps whose output is not known yet, or is of no interest: they are not compared.
 * @example root_fs.hostname "black-pearl" → "reef"
 */
export function explainDifference(
  before: FingerprintInputs,
  now: FingerprintInputs,
  unknown: readonly string[] = [],
): string[] {
  const reasons: string[] = [];
  const compare = (name: string, old: string | undefined, current: string | undefined) => {
    if (old !== current) reasons.push(`${name} ${shortDigest(old)} → ${shortDigest(current)}`);
  };
  if (before.contract !== now.contract) {
    reasons.push(
      `hypriotkit builds this step differently now: contract ${before.contract} → ${now.contract}`,
    );
  }
  compare('base image', before.baseImage, now.baseImage);
  compare('build image', before.buildImage, now.buildImage);
  compare('command', before.command.join(' '), now.command.join(' '));
  for (const variable of sortedUnion(before.settings, now.settings)) {
    const old = before.settings[variable];
    const current = now.settings[variable];
    if (old?.value === current?.value || current?.derived) continue;
    const field = current?.field ?? old?.field ?? variable;
    const [gone, added] = shortenLists(old?.value ?? '', current?.value ?? '');
    reasons.push(`${field} ${quote(old && gone)} → ${quote(current && added)}`);
  }
  for (const input of sortedUnion(before.inputs, now.inputs)) {
    if (!unknown.includes(input)) compare(input, before.inputs[input], now.inputs[input]);
  }
  compare('list in the lock', before.list, now.list);
  compare('list to stay close to', before.previous, now.previous);
  if (before.epoch !== now.epoch) reasons.push(`SOURCE_DATE_EPOCH ${before.epoch} → ${now.epoch}`);
  return [...new Set(reasons)];
}

function shortDigest(value: string | undefined): string {
  return value === undefined || value === '' ? '(none)' : value.replace(/^([0-9a-f]{12})[0-9a-f]{52}$/, '$1');
}

function quote(value: string | undefined): string {
  if (value === undefined) return '(not set)';
  return value.startsWith('secret:') ? '(secret)' : JSON.stringify(value);
}

function sortedUnion(a: object, b: object): string[] {
  return [...new Set([...Object.keys(a), ...Object.keys(b)])].sort();
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
