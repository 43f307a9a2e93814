import type {StoreEntry} from '../../volumes/store-entry.ts';
import type {Artifact} from '../events/event.ts';
import type {StepFailure} from '../events/step-failure.ts';
import {Pool} from '../pool.ts';
import type {RunContext, StepOutcome} from './run-context.ts';
import {findStep, runStep} from './run-step.ts';
import type {StepNode} from './step-node.ts';
import {takeOver} from './take-over.ts';
import type {Needed} from './team-cache.ts';

/** What has been decided about the steps before they start; each by the name of its node. */
export interface Decisions {
  readonly context: RunContext;
  /** Where variants work with different lists of packages. */
  readonly contextOf?: ((node: StepNode) => RunContext) | undefined;
  /** Whether the files of a step that is found in the store will be read, so that they must be checked first. */
  readonly mustVerify: (node: string) => boolean;
  /** Why a step has to run, for people. */
  readonly reasons: (node: string) => readonly string[];
  /** Which files an entry of a registry must have to stand for a step; by default none, its digests are enough. */
  readonly needs?: ((node: string) => Needed) | undefined;
  /** Whether the files of a step must be in the volume in the end, also where nothing runs on them. */
  readonly mustStay?: ((node: string) => boolean) | undefined;
  /** How many steps that belong to one variant alone may run at once. */
  readonly maxParallel?: number | undefined;
}

/**
 * Runs steps, each as soon as what it needs is there and a place is free. A failure cancels what depends on it and
 * nothing else.
 *
 * What a registry has stays there until something runs on it: most of it is never needed.
 */
export class Executor {
  readonly #decisions: Decisions;
  readonly #pool: Pool;
  readonly #variants: Pool | undefined;
  readonly #nodes: ReadonlyMap<string, StepNode>;
  readonly #outcomes = new Map<string, Promise<StepOutcome>>();
  readonly #present = new Map<string, Promise<StepOutcome>>();

  constructor(nodes: readonly StepNode[], jobs: number, decisions: Decisions) {
    this.#decisions = decisions;
    this.#pool = new Pool(jobs);
    this.#variants = decisions.maxParallel === undefined ? undefined : new Pool(decisions.maxParallel);
    this.#nodes = new Map(nodes.map((node) => [node.name, node]));
  }

  /** Starts everything and waits for all of it. Every node has an outcome, in the order given. */
  async execute(): Promise<ReadonlyMap<string, StepOutcome>> {
    const outcomes = await Promise.all(
      [...this.#nodes.keys()].map(async (name) => [name, await this.outcome(name)] as const),
    );
    return new Map(outcomes);
  }

  /** How a node ends; starts it, if nobody has. */
  async outcome(name: string): Promise<StepOutcome> {
    const outcome = await this.#outcome(name);
    if (this.#decisions.mustStay?.(name)) return this.#inVolume(name);
    // A step that runs on it may have asked for it, and found that it had to be made anew.
    return (await this.#present.get(name)) ?? outcome;
  }

  /** Safe to ask from every dependent; a step is started at most once. */
  #outcome(name: string): Promise<StepOutcome> {
    const known = this.#outcomes.get(name) ?? this.#execute(this.#node(name));
    this.#outcomes.set(name, known);
    return known;
  }

  #node(name: string): StepNode {
    const node = this.#nodes.get(name);
    if (node === undefined) throw new Error(`the step ${name} is not part of this run`);
    return node;
  }

  async #execute(node: StepNode): Promise<StepOutcome> {
    const {name, step} = node;
    const inputs = await this.#entries(node, (input) => this.#outcome(input));
    if ('becauseOf' in inputs) return this.#cancelled(node, inputs.becauseOf);
    const {mustVerify, needs, reasons} = this.#decisions;
    return this.#report(node, reasons(name), async (start) => {
      const outcome = await this.#inPlace(node, async () => {
        start();
        const context = this.#contextOf(node);
        const wanted = needs?.(name) ?? (() => true);
        const found = await findStep(step, inputs.entries, context, mustVerify(name), wanted);
        if (found !== undefined) return found;
        return (await this.#areInputsInPlace(node)) ? this.#run(node, inputs.entries) : undefined;
      });
      return outcome ?? this.#make(node);
    });
  }

  /** What the client makes itself reads its volume. */
  #readsVolume({step}: StepNode): boolean {
    return this.#decisions.context.runner.reads === 'volume' || step.client !== undefined;
  }

  /** Whether the files of a step's finished inputs are where it is made; what must be fetched needs a place itself. */
  async #areInputsInPlace(node: StepNode): Promise<boolean> {
    if (!this.#readsVolume(node)) return true;
    const outcomes = await Promise.all([...node.inputs.values()].map((from) => this.#outcome(from)));
    return outcomes.every((outcome) => outcome.ok && outcome.from === undefined);
  }

  /** Makes a step, once the files of its inputs are where it is made. */
  async #make(node: StepNode): Promise<StepOutcome> {
    const isInVolume = this.#readsVolume(node);
    const inputs = await this.#entries(node, (input) =>
      isInVolume ? this.#inVolume(input) : this.#outcome(input),
    );
    if ('becauseOf' in inputs) return {ok: false, failure: cancelled(node, inputs.becauseOf)};
    return this.#inPlace(node, () => this.#run(node, inputs.entries));
  }

  #run(node: StepNode, inputs: ReadonlyMap<string, StoreEntry>): Promise<StepOutcome> {
    return runStep(node.step, inputs, this.#contextOf(node), this.#decisions.mustVerify(node.name));
  }

  /** Waits for a place; what one variant needs alone waits for one of those, too. */
  #inPlace<T>(node: StepNode, work: () => Promise<T>): Promise<T> {
    const run = () => this.#pool.run(work);
    return this.#variants !== undefined && node.variants.length === 1 ? this.#variants.run(run) : run();
  }

  /** The outcome of a step with its files in the volume: fetched, or made where no registry has what it promised. */
  #inVolume(name: string): Promise<StepOutcome> {
    const known = this.#present.get(name) ?? this.#bring(name);
    this.#present.set(name, known);
    return known;
  }

  async #bring(name: string): Promise<StepOutcome> {
    const outcome = await this.#outcome(name);
    if (!outcome.ok || outcome.from === undefined) return outcome;
    const {from, entry} = outcome;
    const node = this.#node(name);
    const fetched = await this.#pool.run(() => takeOver(node.step, entry, from, this.#contextOf(node)));
    if (fetched !== undefined) return fetched;
    return this.#report(node, [`${from} does not have its files`], (start) => {
      start();
      return this.#make(node);
    });
  }

  /** The finished entries of a step's inputs, or which of them there is none of. */
  async #entries(
    node: StepNode,
    outcomeOf: (name: string) => Promise<StepOutcome>,
  ): Promise<{readonly entries: ReadonlyMap<string, StoreEntry>} | {readonly becauseOf: string}> {
    const entries = new Map<string, StoreEntry>();
    const needed = await Promise.all(
      [...node.inputs].map(async ([input, from]) => [input, from, await outcomeOf(from)] as const),
    );
    for (const [input, from, outcome] of needed) {
      if (!outcome.ok) return {becauseOf: from};
      entries.set(input, outcome.entry);
    }
    return {entries};
  }

  /** What a step works with; what it says is said of its node. */
  #contextOf(node: StepNode): RunContext {
    const context = this.#decisions.contextOf?.(node) ?? this.#decisions.context;
    if (node.name === node.step.name) return context;
    return {
      ...context,
      emit: (event) => {
        context.emit('step' in event ? {...event, step: node.name} : event);
      },
    };
  }

  /** Says what happens to a step, from its start, which is when it has a place, to its end. */
  async #report(
    node: StepNode,
    reasons: readonly string[],
    work: (start: () => void) => Promise<StepOutcome>,
  ): Promise<StepOutcome> {
    const {emit} = this.#decisions.context;
    let startedMs = Date.now();
    const start = () => {
      startedMs = Date.now();
      emit({type: 'step-started', step: node.name, description: node.step.description, reasons});
    };
    const outcome = named(node, await work(start));
    const durationMs = Date.now() - startedMs;
    if (outcome.ok) {
      emit({
        type: 'step-finished',
        step: node.name,
        outcome: outcome.outcome,
        ...(outcome.from !== undefined && {from: outcome.from}),
        durationMs,
        artifacts: artifactsOf(outcome.entry),
      });
    } else {
      emit({type: 'step-failed', step: node.name, durationMs, failure: outcome.failure});
    }
    return outcome;
  }

  #cancelled(node: StepNode, becauseOf: string): StepOutcome {
    const failure = cancelled(node, becauseOf);
    this.#decisions.context.emit({type: 'step-failed', step: node.name, durationMs: 0, failure});
    return {ok: false, failure};
  }
}

/** A failure is one of the node: several may have steps of that name. */
function named({name}: StepNode, outcome: StepOutcome): StepOutcome {
  return outcome.ok ? outcome : {ok: false, failure: {...outcome.failure, step: name}};
}

function cancelled({name}: StepNode, becauseOf: string): StepFailure {
  return {
    reason: 'cancelled',
    step: name,
    message: `not started, because ${becauseOf} did not succeed`,
    becauseOf,
  };
}

/** An entry's files as the API shows them. */
export function artifactsOf(entry: StoreEntry): Artifact[] {
  return entry.files.map((file) => ({step: entry.step, ...file}));
}
