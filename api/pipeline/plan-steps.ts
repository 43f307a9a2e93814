import {createHash} from 'node:crypto';
import type {ArtifactStore} from '../../volumes/artifact-store.ts';
import {storeFormat, type StoreEntry} from '../../volumes/store-entry.ts';
import {baseImageStep} from '../components/components.ts';
import {packageList, type Step} from '../components/step.ts';
import type {PlannedStep} from '../events/event.ts';
import {explainDifference, FingerprintInputs} from './fingerprint.ts';
import {identifyStep, type IdentityContext} from './identify-step.ts';
import type {Needed} from './team-cache.ts';

/** Where entries are looked for that the volume does not have. */
export interface PlanCache {
  find(
    fingerprint: string,
    needs: Needed,
  ): Promise<{readonly entry: StoreEntry; readonly from: string} | undefined>;
}

/**
 * Says for each step whether the store or a registry has its artifacts, and if not, why it must run. Reads the store's
 * index only; nothing is started or changed.
 */
export async function planSteps(
  steps: readonly Step[],
  store: ArtifactStore,
  base: IdentityContext | undefined,
  cache?: PlanCache,
  needs: (step: string) => Needed = () => () => true,
): Promise<PlannedStep[]> {
  const entries = await store.entries();
  const hits = new Map<string, StoreEntry>();
  const planned: PlannedStep[] = [];
  for (const step of steps) {
    const common = {
      step: step.name,
      component: step.component,
      description: step.description,
      needs: step.inputs.length === 0 ? [baseImageStep] : step.inputs,
    };
    const unknown = step.inputs.filter((input) => !hits.has(input));
    if (base === undefined) {
      planned.push({...common, action: 'run', reasons: [runsFirst(baseImageStep)]});
      continue;
    }
    const inputs = new Map(
      step.inputs.flatMap((name) => {
        const hit = hits.get(name);
        return hit === undefined ? [] : [[name, hit] as const];
      }),
    );
    const identity = await identifyStep(step, inputs, base);
    if (unknown.length > 0) {
      const differences =
        newestOf(step.name, entries) && explain(step.name, identity.inputs, entries, unknown);
      planned.push({...common, action: 'run', reasons: [...(differences ?? []), ...unknown.map(runsFirst)]});
      continue;
    }
    const list = base.lists.get(step.name);
    const stored =
      entries.get(identity.fingerprint) ??
      (list === undefined ? undefined : listEntry(step.name, identity, list));
    const cached =
      stored === undefined ? await cache?.find(identity.fingerprint, needs(step.name)) : undefined;
    const entry = stored ?? cached?.entry;
    if (entry !== undefined) hits.set(step.name, entry);
    planned.push({
      ...common,
      action: entry === undefined ? 'run' : 'hit',
      reasons: entry === undefined ? explain(step.name, identity.inputs, entries) : [],
      fingerprint: identity.fingerprint,
      ...(cached !== undefined && {from: cached.from}),
    });
  }
  return planned;
}

/** What the store will have of a list that is in the lock: nothing has to run for it. */
export function listEntry(
  step: string,
  identity: {readonly fingerprint: string; readonly inputs: FingerprintInputs},
  list: string,
): StoreEntry {
  const sha256 = createHash('sha256').update(list).digest('hex');
  const files = [{name: packageList, sizeBytes: Buffer.byteLength(list), sha256}];
  return {format: storeFormat, step, ...identity, createdAt: '', durationMs: 0, files};
}

function runsFirst(name: string): string {
  return `needs ${name}, which has to run first`;
}

/** Compares with the newest entry of the same step: that is what the user built last. */
function explain(
  step: string,
  now: FingerprintInputs,
  entries: ReadonlyMap<string, StoreEntry>,
  unknown: readonly string[] = [],
): string[] {
  const latest = newestOf(step, entries);
  if (latest === undefined) return ['it has never been built in this volume'];
  const before = FingerprintInputs.safeParse(latest.inputs);
  const reasons = before.success ? explainDifference(before.data, now, unknown) : [];
  // What is not known yet may be the reason.
  const isExplained = reasons.length > 0 || (before.success && unknown.length > 0);
  return isExplained ? reasons : ['it was built by another version of hypriotkit'];
}

function newestOf(step: string, entries: ReadonlyMap<string, StoreEntry>): StoreEntry | undefined {
  return [...entries.values()]
    .filter((entry) => entry.step === step)
    .reduce<StoreEntry | undefined>(
      (a, b) => (a !== undefined && a.createdAt >= b.createdAt ? a : b),
      undefined,
    );
}
