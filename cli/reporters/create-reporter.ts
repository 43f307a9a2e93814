import type {Verbosity} from '../../api/events/event.ts';
import type {CliContext} from '../context.ts';
import {JsonReporter} from './json-reporter.ts';
import type {Reporter} from './reporter.ts';

/** What the user asked for. */
export interface ReporterChoice {
  readonly json?: boolean | undefined;
  readonly verbosity: Verbosity;
}

/** The reporter for a run: JSON lines if asked for, the live window on a terminal, plain lines otherwise. */
export async function createReporter(context: CliContext, choice: ReporterChoice): Promise<Reporter> {
  if (choice.json) return new JsonReporter(context.stdout, choice.verbosity);
  const {symbols, stderr: output} = context;
  const {verbosity} = choice;
  const colors = await context.colors('stderr');
  if (!isLive(context) || verbosity === 'quiet') {
    const {PlainReporter} = await import('./plain-reporter.ts');
    return new PlainReporter({output, verbosity, colors, symbols});
  }
  const {LiveReporter} = await import('./live-reporter.ts');
  // On a terminal the result lists the files with their sizes itself.
  return new LiveReporter({output, verbosity, colors, symbols, files: !context.stdout.isTTY});
}

/** Whether stderr is a terminal that can be drawn on, and a person sits in front of it. */
export function isLive({stderr, env}: Pick<CliContext, 'stderr' | 'env'>): boolean {
  return stderr.isTTY === true && !env['CI'] && env['TERM'] !== 'dumb';
}
