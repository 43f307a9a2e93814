import {unreachable} from '../../api/errors.ts';
import type {PipelineEvent, Verbosity} from '../../api/events/event.ts';
import type {Output} from '../context.ts';
import {stoppingMessage, type Reporter} from './reporter.ts';

/** One line of JSON for each event, for programs. `info` leaves out the containers' output, `quiet` all but failures. */
export class JsonReporter implements Reporter {
  readonly #output: Output;
  readonly #verbosity: Verbosity;

  constructor(output: Output, verbosity: Verbosity) {
    this.#output = output;
    this.#verbosity = verbosity;
  }

  on(event: PipelineEvent): void {
    if (isWanted(event, this.#verbosity)) writeJsonLine(this.#output, event);
  }

  stopping(): void {
    this.on({type: 'notice', level: 'warning', message: stoppingMessage});
  }

  [Symbol.dispose](): void {
    // Holds nothing.
  }
}

/** Writes `value` as one line of JSON. */
export function writeJsonLine(output: Output, value: object): void {
  output.write(`${JSON.stringify(value)}\n`);
}

function isWanted(event: PipelineEvent, verbosity: Verbosity): boolean {
  switch (verbosity) {
    case 'quiet':
      return event.type === 'step-failed';
    case 'info':
      return event.type !== 'step-output';
    case 'debug':
      return true;
    default:
      return unreachable(verbosity);
  }
}
