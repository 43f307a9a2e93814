import {join} from 'node:path';
import {ImageCache} from '../../volumes/image-cache.ts';
import type {StoreEntry} from '../../volumes/store-entry.ts';
import {removeStaleRuns, sweepVolume} from '../engine/stale-runs.ts';
import {PipelineError} from '../errors.ts';
import type {BuildResult, VariantResult} from '../options.ts';
import type {SigningMaterial} from '../ota/image/write/signing-key.ts';
import {announceUnsigned} from './announce-unsigned.ts';
import type {StepFailure} from '../events/step-failure.ts';
import {DamagedArtifact} from './damaged-artifact.ts';
import {prepareTarget} from './deliver.ts';
import {deliverSelected, selectedArtifacts} from './deliver-selected.ts';
import {Executor} from './executor.ts';
import {fetchSelected} from './fetch-selected.ts';
import {filesNeeded, isRequested} from './files-needed.ts';
import {makeRunContext} from './make-run-context.ts';
import {planSteps} from './plan-steps.ts';
import {Pool} from '../pool.ts';
import {prepareBaseImage} from './prepare-base-image.ts';
import {pushArtifacts} from './push-artifacts.ts';
import type {RunContext} from './run-context.ts';
import {announceExtension, compareBaseImage, keepBaseImage, updateLock} from './run-lock.ts';
import type {Run, RunRequest} from './run.ts';
import {combineVariants, type CombinedGraph} from './step-node.ts';

/** One variant of a matrix, as it is to be built. */
export interface VariantRequest extends RunRequest {
  readonly variant: string;
  /** What its updates are signed with; undefined without such updates or keys. */
  readonly signing: SigningMaterial | undefined;
}

/** A variant in a run: its own configuration, lock and target, and the engine of all. */
interface VariantRun extends Run, VariantRequest {}

type Built = Omit<BuildResult, 'durationMs'>;

/** The graph of all variants, in which a step that several of them need is one. */
export function graphOf(
  variants: readonly Pick<VariantRequest, 'variant' | 'selection' | 'locked'>[],
): CombinedGraph {
  return combineVariants(
    variants.map(({variant, selection: {steps}, locked}) => ({variant, steps, ...locked})),
  );
}

/**
 * Builds all variants of a matrix in one run, and delivers each to a folder of its name. What several of them need is
 * made once. A variant that fails stops no other.
 */
export async function buildVariants(run: Run, variants: readonly VariantRequest[]): Promise<Built> {
  const runs = await Promise.all(variants.map((variant) => toRun(run, variant)));
  const graph = graphOf(runs);
  const results = new Map<string, VariantResult>();
  const missing: VariantRun[] = [];
  for (const one of runs) {
    const fetched = await fetchSelected(one, (step) => graph.nodesOf.get(one.variant)?.get(step) ?? step);
    if (fetched === undefined) missing.push(one);
    else {
      const {entries, delivered} = fetched;
      results.set(one.variant, {...done(one, entries, delivered), pushed: await pushArtifacts(one, entries)});
    }
  }
  if (missing.length > 0)
    for (const result of await buildMissing(runs, missing, graph)) results.set(result.variant, result);
  const ordered = runs.flatMap(({variant}) => results.get(variant) ?? []);
  return {
    volume: run.session.label,
    artifacts: ordered.flatMap(({artifacts}) => artifacts),
    delivered: ordered.flatMap(({delivered}) => delivered),
    pushed: ordered.flatMap(({pushed}) => pushed),
    variants: ordered,
  };
}

async function toRun(run: Run, variant: VariantRequest): Promise<VariantRun> {
  const folder =
    run.folder === undefined ? undefined : await prepareTarget(join(run.folder, variant.variant));
  return {...run, ...variant, folder};
}

async function buildMissing(
  all: readonly VariantRun[],
  runs: readonly VariantRun[],
  graph: CombinedGraph,
): Promise<VariantResult[]> {
  const [first] = runs;
  if (first === undefined) return [];
  const {session, store, jobs} = first;
  const baseImage = await prepareBaseImage(first, first.lock);
  const isNew = await compareBaseImage(first, baseImage);
  const epoch = first.epochFromUser ?? first.lock?.source_date_epoch ?? baseImage.archiveDate;
  const contexts = new Map<string, RunContext>();
  for (const one of all) {
    if (ownsLock(one, runs)) announceExtension(one);
    if (runs.includes(one)) announceUnsigned(one, one.signing);
    const context = makeRunContext(one, baseImage, one.lock?.source_date_epoch ?? epoch);
    contexts.set(one.variant, {...context, signing: one.signing});
  }
  const contextOf = (variant: string | undefined): RunContext => {
    const context = contexts.get(variant ?? '');
    if (context === undefined) throw new Error(`the variant ${variant ?? ''} is not part of this run`);
    return context;
  };
  const wanted = new Set(runs.flatMap(({variant}) => [...(graph.nodesOf.get(variant)?.values() ?? [])]));
  const nodes = graph.nodes.filter(({name}) => wanted.has(name));
  const nodeOf = (variant: string, step: string) => graph.nodesOf.get(variant)?.get(step) ?? '';
  await removeStaleRuns(session);
  const plan = await planVariants(runs, contextOf, nodeOf);
  if (plan.running.size > 0) {
    await sweepVolume(session, store, contextOf(first.variant).packages, new ImageCache(session.packageHost));
  }
  const used = new Set(
    nodes.filter(({name}) => plan.running.has(name)).flatMap(({name, inputs}) => [name, ...inputs.values()]),
  );
  const executor = new Executor(nodes, jobs, {
    context: contextOf(first.variant),
    contextOf: ({variants: [variant]}) => contextOf(variant),
    mustVerify: (node) => used.has(node),
    reasons: (node) => plan.reasons.get(node) ?? [],
    needs: (node) => plan.needs.get(node) ?? (() => true),
    mustStay: (node) => first.folder === undefined && plan.staying.has(node),
    maxParallel: first.options.maxParallel,
  });
  const keeping = isNew ? keepBaseImage(first, baseImage) : Promise.resolve(undefined);
  // Beside the steps of the others, but one copy at a time: the disk gains nothing by two.
  const copies = new Pool(1);
  const [results, kept] = await Promise.allSettled([
    Promise.all(
      runs.map(async (one) => {
        const entries = new Map<string, StoreEntry>();
        const failures: StepFailure[] = [];
        for (const {name} of one.selection.steps) {
          const outcome = await executor.outcome(nodeOf(one.variant, name));
          if (outcome.ok) entries.set(name, outcome.entry);
          else if (outcome.failure.reason !== 'cancelled') failures.push(outcome.failure);
        }
        one.signal.throwIfAborted();
        if (entries.size < one.selection.steps.length) return {one, entries, result: failed(one, failures)};
        const result = await copies.run(() => deliverVariant(one, entries, contextOf(one.variant)));
        return {one, entries, result};
      }),
    ),
    keeping,
  ]);
  if (results.status === 'rejected') throw results.reason;
  const baseTools = kept.status === 'fulfilled' ? kept.value : undefined;
  for (const {one, entries, result} of results.value) {
    if (result.outcome === 'done' && ownsLock(one, runs))
      await updateLock(one, entries, baseImage, baseTools);
  }
  if (kept.status === 'rejected') throw kept.reason;
  const finished: VariantResult[] = [];
  for (const {one, entries, result} of results.value) {
    finished.push(
      result.outcome === 'done' ? {...result, pushed: await pushArtifacts(one, entries)} : result,
    );
  }
  return finished;
}

/** Whether a variant is the first that has its lock: one of them writes it. */
function ownsLock(one: VariantRun, runs: readonly VariantRun[]): boolean {
  return runs.find(({lockFile}) => lockFile === one.lockFile) === one;
}

/** What is known of the nodes before anything runs. */
async function planVariants(
  runs: readonly VariantRun[],
  contextOf: (variant: string) => RunContext,
  nodeOf: (variant: string, step: string) => string,
) {
  const running = new Set<string>();
  const reasons = new Map<string, readonly string[]>();
  const needs = new Map<string, ReturnType<ReturnType<typeof filesNeeded>>>();
  const staying = new Set<string>();
  for (const {variant, selection, store, cache} of runs) {
    const needed = filesNeeded(selection);
    for (const planned of await planSteps(selection.steps, store, contextOf(variant), cache, needed)) {
      const node = nodeOf(variant, planned.step);
      if (planned.action === 'run') running.add(node);
      reasons.set(node, planned.reasons);
      needs.set(node, needed(planned.step));
    }
    for (const step of selection.steps) {
      const isWanted = isRequested(selection, step) && step.outputs.some(({delivered}) => delivered);
      if (isWanted) staying.add(nodeOf(variant, step.name));
    }
  }
  return {running, reasons, needs, staying};
}

async function deliverVariant(
  run: VariantRun,
  entries: ReadonlyMap<string, StoreEntry>,
  context: RunContext,
): Promise<VariantResult> {
  if (run.folder === undefined) return done(run, entries, []);
  try {
    return done(run, entries, await deliverSelected(run, entries, context, run.folder));
  } catch (error) {
    if (!(error instanceof PipelineError) || error.code === 'INTERRUPTED') throw error;
    if (error instanceof DamagedArtifact && run.cache.holds(error.entry)) run.cache.reject(error.entry);
    const failure: StepFailure = {
      reason: 'engine-failed',
      step: run.variant,
      message: error.message,
      hint: error.hint ?? 'Run the same command again: what is done is kept.',
    };
    return failed(run, [failure]);
  }
}

function done(
  {variant, selection}: VariantRun,
  entries: ReadonlyMap<string, StoreEntry>,
  delivered: VariantResult['delivered'],
): VariantResult {
  const artifacts = selectedArtifacts(selection, entries);
  return {variant, outcome: 'done', artifacts, delivered, pushed: [], failures: []};
}

function failed({variant}: VariantRun, failures: readonly StepFailure[]): VariantResult {
  return {variant, outcome: 'failed', artifacts: [], delivered: [], pushed: [], failures};
}
