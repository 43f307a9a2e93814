import type {StoreEntry} from '../../volumes/store-entry.ts';
import type {Step} from '../components/step.ts';
import type {StepIdentity} from './identify-step.ts';
import type {RunContext, StepOutcome} from './run-context.ts';
import type {StepLog} from './step-log.ts';

/** A step whose artifacts the store does not have. */
export interface StepJob {
  readonly step: Step;
  readonly identity: StepIdentity;
  /** The finished entries of its inputs, by step. */
  readonly inputs: ReadonlyMap<string, StoreEntry>;
  readonly log: StepLog;
  /** When the run turned to it, in milliseconds since 1970. */
  readonly startedMs: number;
}

/**
 * Where steps run: in containers of the engine that the run is connected to, or as services of a swarm. Whoever runs a
 * step sees its inputs and settings, and leaves an entry in the store that has its fingerprint.
 */
export interface StepRunner {
  /** Where the files of a step's inputs have to be for it, and where it leaves its own. */
  readonly reads: 'volume' | 'registry';

  /**
   * Makes a step.
   *
   * @returns undefined when another run has been making it: the store has to be asked again.
   * @throws what `classifyError` knows, and mistakes of ours.
   */
  make(job: StepJob, context: RunContext): Promise<StepOutcome | undefined>;
}
