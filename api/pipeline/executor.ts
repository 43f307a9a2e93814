import type {StoreEntry} from '../../volumes/store-entry.ts';
import type {Step} from '../components/step.ts';
import type {Artifact} from '../events/event.ts';
import type {StepFailure} from '../events/step-failure.ts';
import {Pool} from './pool.ts';
import type {RunContext, StepOutcome} from './run-context.ts';
import {runStep} from './run-step.ts';

/** What has been decided about the steps before they start. */
export interface Decisions {
  readonly context: RunContext;
  /** Whether the files of a step that is found in the store will be read, so that they must be checked first. */
  readonly mustVerify: (step: string) => boolean;
  /** Why a step has to run, for people. */
  readonly reasons: (step: string) => readonly string[];
}

/**
 * Runs steps, each as soon as what it needs is there and a place is free. A failure cancels what depends on it and
 * nothing else.
 */
export class Executor {
  readonly #context: RunContext;
  readonly #decisions: Decisions;
  readonly #pool: Pool;
  readonly #steps: ReadonlyMap<string, Step>;
  readonly #outcomes = new Map<string, Promise<StepOutcome>>();

  constructor(steps: readonly Step[], jobs: number, decisions: Decisions) {
    this.#context = decisions.context;
    this.#decisions = decisions;
    this.#pool = new Pool(jobs);
    this.#steps = new Map(steps.map((step) => [step.name, step]));
  }

  /** Starts everything and waits for all of it. Every step has an outcome, in the order given. */
  async execute(): Promise<ReadonlyMap<string, StepOutcome>> {
    const outcomes = await Promise.all(
      [...this.#steps.keys()].map(async (name) => [name, await this.#outcome(name)] as const),
    );
    return new Map(outcomes);
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
    const inputs = new Map<string, StoreEntry>();
    const needed = await Promise.all(
      step.inputs.map(async (name) => [name, await this.#outcome(name)] as const),
    );
    for (const [name, outcome] of needed) {
      if (!outcome.ok) return this.#cancelled(step, name);
      inputs.set(name, outcome.entry);
    }
    return this.#pool.run(() => this.#run(step, inputs));
  }

  async #run(step: Step, inputs: ReadonlyMap<string, StoreEntry>): Promise<StepOutcome> {
    const startedMs = Date.now();
    this.#context.emit({
      type: 'step-started',
      step: step.name,
      description: step.description,
      reasons: this.#decisions.reasons(step.name),
    });
    const outcome = await runStep(step, inputs, this.#context, this.#decisions.mustVerify(step.name));
    const durationMs = Date.now() - startedMs;
    if (outcome.ok) {
      this.#context.emit({
        type: 'step-finished',
        step: step.name,
        outcome: outcome.outcome,
        durationMs,
        artifacts: artifactsOf(outcome.entry),
      });
    } else {
      this.#context.emit({type: 'step-failed', step: step.name, durationMs, failure: outcome.failure});
    }
    return outcome;
  }

  #cancelled(step: Step, becauseOf: string): StepOutcome {
    const failure: StepFailure = {
      reason: 'cancelled',
      step: step.name,
      message: `not started, because ${becauseOf} did not succeed`,
      becauseOf,
    };
    this.#context.emit({type: 'step-failed', step: step.name, durationMs: 0, failure});
    return {ok: false, failure};
  }
}

/** An entry's files as the API shows them. */
export function artifactsOf(entry: StoreEntry): Artifact[] {
  return entry.files.map((file) => ({step: entry.step, ...file}));
}
