import {canonicalJson, type FingerprintInputs} from './fingerprint.ts';

/** What kind of thing an input is. */
export type InputKind =
  'setting' | 'input' | 'base-image' | 'build-image' | 'command' | 'epoch' | 'contract' | 'other';

/** One input of a step's fingerprint. */
export interface ExplainedInput {
  readonly kind: InputKind;
  /** The configuration field of a setting, the step of an input, else the kind in words. */
  readonly name: string;
  /** The environment variable of a setting. */
  readonly variable?: string;
  /** Now; a digest for contents, `(secret)` for secrets, absent where it is not known yet or not set any more. */
  readonly value?: string;
  /** In the entry that it is compared with; absent without one, or where it was not set. */
  readonly before?: string;
  /** False as well where there is nothing to compare with, or the value is not known yet. */
  readonly changed: boolean;
}

interface Value {
  readonly kind: InputKind;
  readonly name: string;
  readonly variable?: string;
  /** As compared; never shown when it is a secret. */
  readonly raw: string;
}

/** A secret's digest could be used to try passwords out, so it is not shown either. */
const secretText = '(secret)';

/** Fields whose values are shown in a way of their own; every other one is shown as JSON. */
const namedFields: ReadonlySet<string> = new Set([
  'format',
  'step',
  'contract',
  'buildImage',
  'baseImage',
  'command',
  'settings',
  'inputs',
  'epoch',
]);

/**
 * Lists every input of a fingerprint with its value and the one before.
 *
 * @param unknown steps whose output is not known yet.
 */
export function explainInputs(
  before: FingerprintInputs | undefined,
  now: FingerprintInputs,
  unknown: readonly string[],
): ExplainedInput[] {
  const old = before === undefined ? undefined : valuesOf(before);
  const current = valuesOf(now);
  const keys = new Set([
    ...current.keys(),
    ...unknown.map((step) => `input ${step}`),
    ...(old?.keys() ?? []),
  ]);
  return [...keys].flatMap((key) => {
    const [a, b] = [old?.get(key), current.get(key)];
    const isUnknown = b === undefined && unknown.some((step) => key === `input ${step}`);
    const described = b ?? a ?? {kind: 'input' as const, name: key.slice('input '.length)};
    const {kind, name, variable} = described as Value;
    return [
      {
        kind,
        name,
        ...(variable !== undefined && {variable}),
        ...(b !== undefined && {value: shown(b)}),
        ...(a !== undefined && {before: shown(a)}),
        changed: old !== undefined && !isUnknown && a?.raw !== b?.raw,
      },
    ];
  });
}

/** By a key that is the same for the same input of two builds. */
function valuesOf(inputs: FingerprintInputs): ReadonlyMap<string, Value> {
  const values = new Map<string, Value>();
  for (const [variable, {field, value}] of sorted(inputs.settings)) {
    values.set(`setting ${variable}`, {kind: 'setting', name: field, variable, raw: value});
  }
  for (const [step, digest] of sorted(inputs.inputs)) {
    values.set(`input ${step}`, {kind: 'input', name: step, raw: digest});
  }
  values.set('base', {kind: 'base-image', name: 'base image', raw: inputs.baseImage});
  values.set('build', {kind: 'build-image', name: 'build image', raw: inputs.buildImage});
  values.set('command', {kind: 'command', name: 'command', raw: inputs.command.join(' ')});
  values.set('epoch', {kind: 'epoch', name: 'SOURCE_DATE_EPOCH', raw: String(inputs.epoch)});
  values.set('contract', {kind: 'contract', name: 'contract', raw: `${inputs.contract}.${inputs.format}`});
  for (const [name, value] of sorted(inputs as unknown as Record<string, unknown>)) {
    if (namedFields.has(name) || value === undefined) continue;
    values.set(`other ${name}`, {
      kind: 'other',
      name,
      raw: typeof value === 'string' ? value : canonicalJson(value),
    });
  }
  return values;
}

function sorted<T>(record: Readonly<Record<string, T>>): [string, T][] {
  return Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1));
}

function shown({kind, raw}: Value): string {
  return kind === 'setting' && raw.startsWith('secret:') ? secretText : raw;
}
