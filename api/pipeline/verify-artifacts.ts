import type {StoreEntry} from '../../volumes/store-entry.ts';
import type {Step} from '../components/step.ts';
import {explainDifference, FingerprintInputs} from './fingerprint.ts';
import type {Reference, ReferenceStep} from './verify-reference.ts';
import type {ChangedInputs, VerifiedArtifact} from './verify-result.ts';

/** How files are packed or described whose names end so: they differ when what they are made from does. */
const derivedEndings = ['.sha256', '.zip', '.zst', '.bmap'];

/** Compares two builds by digest, in graph order, and says which differences follow from others. */
export function compareDigests(
  steps: readonly Step[],
  reference: Reference,
  entries: ReadonlyMap<string, StoreEntry>,
): VerifiedArtifact[] {
  const differing = new Set<string>();
  const artifacts: VerifiedArtifact[] = [];
  for (const step of steps) {
    const found = compareStep(step.name, reference.steps.get(step.name), entries.get(step.name));
    const upstream = step.inputs.find((input) => differing.has(input));
    if (found.some(({status}) => status !== 'same')) differing.add(step.name);
    const changed = new Set(found.filter(({status}) => status === 'different').map(({name}) => name));
    artifacts.push(
      ...found.map((artifact) => {
        if (artifact.status !== 'different') return artifact;
        const because = upstream ?? sourceOf(artifact.name, changed);
        return because === undefined ? artifact : {...artifact, because};
      }),
    );
  }
  return artifacts;
}

function compareStep(
  step: string,
  before: ReferenceStep | undefined,
  after: StoreEntry | undefined,
): VerifiedArtifact[] {
  const old = new Map(before?.files.map((file) => [file.name, file.sha256]));
  const now = new Map(after?.files.map((file) => [file.name, file.sha256]));
  return [...new Set([...old.keys(), ...now.keys()])].sort(bySource).map((name) => {
    const [a, b] = [old.get(name), now.get(name)];
    return {
      step,
      name,
      status: a === undefined ? 'new' : b === undefined ? 'absent' : a === b ? 'same' : 'different',
      ...(a !== undefined && {before: a}),
      ...(b !== undefined && {after: b}),
      differences: [],
      more: false,
    };
  });
}

/** The differing file of the same step that a file is packed from or describes. */
function sourceOf(name: string, changed: ReadonlySet<string>): string | undefined {
  const ending = derivedEndings.find((candidate) => name.endsWith(candidate));
  const source = ending === undefined ? undefined : name.slice(0, -ending.length);
  return source !== undefined && changed.has(source) ? source : undefined;
}

function bySource(a: string, b: string): number {
  return a < b ? -1 : 1;
}

/**
 * Which steps were not made from the same inputs. What only follows from another step is left out: that one is listed.
 */
export function compareInputs(
  steps: readonly Step[],
  reference: Reference,
  entries: ReadonlyMap<string, StoreEntry>,
): ChangedInputs[] {
  return steps.flatMap(({name, inputs: needed}) => {
    const before = FingerprintInputs.safeParse(reference.steps.get(name)?.inputs);
    const after = FingerprintInputs.safeParse(entries.get(name)?.inputs);
    if (!before.success || !after.success) return [];
    const reasons = explainDifference(before.data, after.data, needed);
    return reasons.length === 0 ? [] : [{step: name, reasons}];
  });
}
