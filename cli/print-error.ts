import type {ChalkInstance} from 'chalk';
import {PipelineError} from '../api/errors.ts';
import type {StepFailure} from '../api/events/step-failure.ts';
import {ConfigError, formatConfigIssue} from '../configs/config-error.ts';
import {OtaError} from '../api/ota/ota-error.ts';
import type {CliContext} from './context.ts';
import {ExitCode} from './exit-code.ts';
import {tailOf} from './reporters/describe.ts';
import {formatBundleIssue} from './results/format-bundle-issue.ts';
import {cleanLine, indent} from './text.ts';

/** How many of the last lines of a failed step are shown. */
const tailLines = 15;

/** Prints what ended the run, once and here only, and says which exit status it means. */
export async function printError(error: unknown, context: CliContext): Promise<ExitCode> {
  const interrupted = context.interrupt.signal.aborted && isAbort(error);
  if (interrupted && context.interrupt.isQuiet) return ExitCode.Interrupted;
  const colors = await context.colors('stderr');
  context.stderr.write(`${interrupted ? formatInterruption(error, colors) : formatError(error, colors)}\n`);
  return interrupted ? ExitCode.Interrupted : exitCodeOf(error);
}

/** What was in the making may be left in a state that has to be known. */
function formatInterruption(error: unknown, colors: ChalkInstance): string {
  const state = error instanceof PipelineError && error.hint !== undefined ? [error.hint] : [];
  return [colors.yellow('interrupted'), ...state].join('\n');
}

/** The text form of an error: message, failed steps with their last lines, hint. */
export function formatError(error: unknown, colors: ChalkInstance): string {
  const label = colors.red('error:');
  if (error instanceof PipelineError) {
    const failures = error.failures.map((failure) => formatFailure(failure, colors));
    return [`${label} ${error.message}`, ...failures, ...formatHint(error.hint, '  ', colors)].join('\n');
  }
  if (error instanceof ConfigError && error.code === 'BUNDLE_INVALID') {
    return error.issues.map((issue) => formatBundleIssue(issue, colors)).join('\n');
  }
  if (error instanceof ConfigError) {
    return error.issues.map((issue) => `${label} ${formatConfigIssue(issue)}`).join('\n');
  }
  if (error instanceof OtaError) {
    return [`${label} ${error.message}`, ...formatHint(error.hint, '  ', colors)].join('\n');
  }
  const {cause} = error instanceof Error ? error : {};
  const stories = [
    `${label} ${storyOf(error)}`,
    ...(cause === undefined ? [] : [indent(`cause: ${storyOf(cause)}`, '  ')]),
  ];
  return [...stories, 'this is a bug in hypriotkit'].join('\n');
}

function storyOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

function formatFailure(failure: StepFailure, colors: ChalkInstance): string {
  const tail = tailOf(failure)
    .slice(-tailLines)
    .map((line) => colors.dim(`    ${cleanLine(line)}`));
  return [
    `  ${colors.bold(failure.step)}: ${failure.message}`,
    ...tail,
    ...formatHint(failure.hint, '    ', colors),
  ].join('\n');
}

function formatHint(hint: string | undefined, margin: string, colors: ChalkInstance): string[] {
  if (hint === undefined) return [];
  const [first = '', ...rest] = hint.split('\n');
  return [`${margin}${colors.cyan('hint:')} ${first}`, ...rest.map((line) => `${margin}      ${line}`)];
}

function exitCodeOf(error: unknown): ExitCode {
  // Judging a bundle description is the work, and it was done.
  if (error instanceof ConfigError)
    return error.code === 'BUNDLE_INVALID' ? ExitCode.Failed : ExitCode.NotStarted;
  if (!(error instanceof PipelineError)) return ExitCode.Failed;
  if (error.code === 'INTERRUPTED') return ExitCode.Interrupted;
  return error.couldNotStart ? ExitCode.NotStarted : ExitCode.Failed;
}

function isAbort(error: unknown): boolean {
  if (error instanceof PipelineError) return error.code === 'INTERRUPTED';
  return error instanceof Error && (error.name === 'AbortError' || error.name === 'TimeoutError');
}
