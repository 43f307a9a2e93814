import type {PipelineEvent} from '../events/event.ts';
import {isForPeople, tailLines} from './classify-failure.ts';

/** Hands out what a step says, and keeps the end of it for a failure. */
export class StepLog {
  readonly #step: string;
  readonly #emit: (event: PipelineEvent) => void;
  readonly #tail: string[] = [];

  constructor(step: string, emit: (event: PipelineEvent) => void) {
    this.#step = step;
    this.#emit = emit;
  }

  /** The last lines of output, those for hypriotkit among them. */
  get tail(): readonly string[] {
    return this.#tail;
  }

  /** What comes next has nothing to do with what was said before. */
  forget(): void {
    this.#tail.length = 0;
  }

  readonly output = (stream: 'stdout' | 'stderr', line: string): void => {
    this.#tail.push(line);
    // What the script says about its failure stays: the engine may hand it out before lines that were printed earlier.
    if (this.#tail.length > tailLines) this.#tail.splice(this.#tail.findIndex(isForPeople), 1);
    if (!isForPeople(line)) return;
    this.#emit({type: 'step-output', step: this.#step, stream, line});
  };

  readonly progress = (message: string): void => {
    this.#emit({type: 'step-progress', step: this.#step, message});
  };
}
