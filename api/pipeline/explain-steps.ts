import type {ArtifactStore} from '../../volumes/artifact-store.ts';
import type {StoreEntry} from '../../volumes/store-entry.ts';
import type {Step} from '../components/step.ts';
import type {PlannedStep} from '../events/event.ts';
import {explainInputs, type ExplainedInput} from './explain-inputs.ts';
import {FingerprintInputs} from './fingerprint.ts';
import {planSteps} from './plan-steps.ts';
import {identifyStep, type IdentityContext} from './identify-step.ts';

/** A planned step with everything that its identity is made of. */
export interface ExplainedStep extends PlannedStep {
  /** Every input of the fingerprint; empty for the base image and as long as there is no base image. */
  readonly inputs: readonly ExplainedInput[];
  /** The finished step that the inputs are compared with: its own entry for a hit, else the newest one of the step. */
  readonly comparedWith?: {readonly fingerprint: string; readonly createdAt: string};
}

/** A step, what identifies it, and what the store has of it. */
export interface IdentifiedStep {
  readonly plan: PlannedStep;
  /** What is known of it; inputs that have to be built first are missing. Undefined without a base image. */
  readonly inputs: FingerprintInputs | undefined;
  /** Inputs whose content is not known yet. */
  readonly unknown: readonly string[];
  /** The entry of a hit. */
  readonly entry: StoreEntry | undefined;
}

/** Plans steps and keeps what the plan was made from. */
export async function identifySteps(
  steps: readonly Step[],
  store: ArtifactStore,
  base: IdentityContext | undefined,
): Promise<IdentifiedStep[]> {
  const plan = new Map((await planSteps(steps, store, base)).map((planned) => [planned.step, planned]));
  const entries = await store.entries();
  const hits = new Map<string, StoreEntry>();
  const identified: IdentifiedStep[] = [];
  for (const step of steps) {
    const planned = plan.get(step.name);
    if (planned === undefined) continue;
    const entry = planned.action === 'hit' ? entries.get(planned.fingerprint ?? '') : undefined;
    if (entry !== undefined) hits.set(step.name, entry);
    const known = new Map(
      step.inputs.flatMap((name) => {
        const hit = hits.get(name);
        return hit === undefined ? [] : [[name, hit] as const];
      }),
    );
    identified.push({
      plan: planned,
      inputs: base && (await identifyStep(step, known, base)).inputs,
      unknown: step.inputs.filter((name) => !known.has(name)),
      entry,
    });
  }
  return identified;
}

/** Everything about each step: what would happen, why, and every input with what it was before. */
export async function explainSteps(
  steps: readonly Step[],
  store: ArtifactStore,
  base: IdentityContext | undefined,
): Promise<ExplainedStep[]> {
  const entries = [...(await store.entries()).values()];
  return (await identifySteps(steps, store, base)).map(({plan, inputs, unknown, entry}) => {
    if (inputs === undefined) return {...plan, inputs: []};
    const compared = entry ?? newestOf(plan.step, entries);
    const before = FingerprintInputs.safeParse(compared?.inputs).data;
    return {
      ...plan,
      inputs: explainInputs(before, inputs, unknown),
      ...(compared !== undefined &&
        before !== undefined && {
          comparedWith: {fingerprint: compared.fingerprint, createdAt: compared.createdAt},
        }),
    };
  });
}

function newestOf(step: string, entries: readonly StoreEntry[]): StoreEntry | undefined {
  return entries
    .filter((entry) => entry.step === step)
    .sort((a, b) => (a.createdAt < b.createdAt ? 1 : -1))
    .at(0);
}
