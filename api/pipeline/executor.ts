import type {StoreEntry} from '../../volumes/store-entry.ts';
import type {Step} from '../components/step.ts';
import type {Artifact} from '../events/event.ts';
import type {StepFailure} from '../events/step-failure.ts';
import {Pool} from './pool.ts';
import type {RunContext, StepOutcome} from './run-context.ts';
import {findStep, runStep} from './run-step.ts';
import {takeOver} from './take-over.ts';
import type {Needed} from './team-cache.ts';

/** What has been decided about the steps before they start. */
export interface Decisions {
  readonly context: RunContext;
  /** Whether the files of a step that is found in the store will be read, so that they must be checked first. */
  readonly mustVerify: (step: string) => boolean;
  /** Why a step has to run, for people. */
  readonly reasons: (step: string) => readonly string[];
  /** Which files an entry of a registry must have to stand for a step; by default none, its digests are enough. */
  readonly needs?: ((step: string) => Needed) | undefined;
  /** Whether the files of a step must be in the volume in the end, also where nothing runs on them. */
  readonly mustStay?: ((step: string) => boolean) | undefined;
}

/**
 * Runs steps, each as soon as what it needs is there and a place is free. A failure cancels what depends on it and
 * nothing else.
 *
 * What a registry has stays there until something runs on it: most of it is never needed.
 */
export class Executor {
  readonly #context: RunContext;
  readonly #decisions: Decisions;
  readonly #pool: Pool;
  readonly #steps: ReadonlyMap<string, Step>;
  readonly #outcomes = new Map<string, Promise<StepOutcome>>();
  readonly #present = new Map<string, Promise<StepOutcome>>();

  constructor(steps: readonly Step[], jobs: number, decisions: Decisions) {
    this.#context = decisions.context;
    this.#decisions = decisions;
    this.#pool = new Pool(jobs);
    this.#steps = new Map(steps.map((step) => [step.name, step]));
  }

  /** Starts everything and waits for all of it. Every step has an outcome, in the order given. */
  async execute(): Promise<ReadonlyMap<string, StepOutcome>> {
    const outcomes = await Promise.all(
      [...this.#steps.keys()].map(async (name) => [name, await this.#final(name)] as const),
    );
    return new Map(outcomes);
  }

  async #final(name: string): Promise<StepOutcome> {
    const outcome = await this.#outcome(name);
    if (this.#decisions.mustStay?.(name)) return this.#inVolume(name);
    // A step that runs on it may have asked for it, and found that it had to be made anew.
    return (await this.#present.get(name)) ?? outcome;
  }

  /** Safe to ask from every dependent; a step is started at most once. */
  #outcome(name: string): Promise<StepOutcome> {
    const known = this.#outcomes.get(name);
    if (known !== undefined) return known;
    const step = this.#steps.get(name);
    if (step === undefined) throw new Error(`the step ${name} is not part of this run`);
    const started = this.#execute(step);
    this.#outcomes.set(name, started);
    return started;
  }

  async #execute(step: Step): Promise<StepOutcome> {
    const inputs = await this.#entries(step, (name) => this.#outcome(name));
    if ('becauseOf' in inputs) return this.#cancelled(step, inputs.becauseOf);
    const {context, mustVerify, needs} = this.#decisions;
    return this.#report(step, this.#decisions.reasons(step.name), async () => {
      const found = await this.#pool.run(() =>
        findStep(step, inputs.entries, context, mustVerify(step.name), needs?.(step.name) ?? (() => true)),
      );
      return found ?? this.#make(step);
    });
  }

  /** Makes a step, once the files of its inputs are where it is made. */
  async #make(step: Step): Promise<StepOutcome> {
    const isHere = this.#context.runner.reads === 'volume';
    const inputs = await this.#entries(step, (name) => (isHere ? this.#inVolume(name) : this.#outcome(name)));
    if ('becauseOf' in inputs) return {ok: false, failure: cancelled(step, inputs.becauseOf)};
    return this.#pool.run(() =>
      runStep(step, inputs.entries, this.#context, this.#decisions.mustVerify(step.name)),
    );
  }

  /** The outcome of a step with its files in the volume: fetched, or made where no registry has what it promised. */
  #inVolume(name: string): Promise<StepOutcome> {
    const known = this.#present.get(name) ?? this.#bring(name);
    this.#present.set(name, known);
    return known;
  }

  async #bring(name: string): Promise<StepOutcome> {
    const outcome = await this.#outcome(name);
    const step = this.#steps.get(name);
    if (!outcome.ok || outcome.from === undefined || step === undefined) return outcome;
    const {from, entry} = outcome;
    const fetched = await this.#pool.run(() => takeOver(step, entry, from, this.#context));
    if (fetched !== undefined) return fetched;
    return this.#report(step, [`${from} does not have its files`], () => this.#make(step));
  }

  /** The finished entries of a step's inputs, or which of them there is none of. */
  async #entries(
    step: Step,
    outcomeOf: (name: string) => Promise<StepOutcome>,
  ): Promise<{readonly entries: ReadonlyMap<string, StoreEntry>} | {readonly becauseOf: string}> {
    const entries = new Map<string, StoreEntry>();
    const needed = await Promise.all(step.inputs.map(async (name) => [name, await outcomeOf(name)] as const));
    for (const [name, outcome] of needed) {
      if (!outcome.ok) return {becauseOf: name};
      entries.set(name, outcome.entry);
    }
    return {entries};
  }

  /** Says what happens to a step, from its start to its end. */
  async #report(
    step: Step,
    reasons: readonly string[],
    work: () => Promise<StepOutcome>,
  ): Promise<StepOutcome> {
    const startedMs = Date.now();
    this.#context.emit({type: 'step-started', step: step.name, description: step.description, reasons});
    const outcome = await work();
    const durationMs = Date.now() - startedMs;
    if (outcome.ok) {
      this.#context.emit({
        type: 'step-finished',
        step: step.name,
        outcome: outcome.outcome,
        ...(outcome.from !== undefined && {from: outcome.from}),
        durationMs,
        artifacts: artifactsOf(outcome.entry),
      });
    } else {
      this.#context.emit({type: 'step-failed', step: step.name, durationMs, failure: outcome.failure});
    }
    return outcome;
  }

  #cancelled(step: Step, becauseOf: string): StepOutcome {
    const failure = cancelled(step, becauseOf);
    this.#context.emit({type: 'step-failed', step: step.name, durationMs: 0, failure});
    return {ok: false, failure};
  }
}

function cancelled({name}: Step, becauseOf: string): StepFailure {
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
