import {basename} from 'node:path';
import {PipelineError, type ErrorCode} from '../api/errors.ts';
import {ConfigError} from '../configs/config-error.ts';
import type {CliContext} from './context.ts';
import {ExitCode} from './exit-code.ts';
import {printError} from './print-error.ts';

/** What ends with another status than 1, as it does in the program that the command takes the place of. */
const exitCodes: Partial<Readonly<Record<ErrorCode, ExitCode>>> = {
  USAGE: ExitCode.NotStarted,
  TOOL_MISSING: ExitCode.NotStarted,
  CONFIG_INVALID: ExitCode.InputWrong,
  OUTPUT_EXISTS: ExitCode.InputWrong,
  OUTPUT_UNUSABLE: ExitCode.InputWrong,
  SOURCE_MISSING: ExitCode.SourceMissing,
};

/** Runs `content create`, prints what ends it, and sets its exit status. */
export async function endContentRun(
  context: CliContext,
  {debug}: {readonly debug?: boolean | undefined},
  work: () => Promise<void>,
): Promise<void> {
  try {
    await work();
  } catch (error) {
    const code = await printError(error, context);
    if (debug === true && error instanceof Error) context.stderr.write(`${error.stack ?? error.message}\n`);
    context.setExitCode(code === ExitCode.Interrupted ? code : contentExitCode(error));
  }
}

/** The exit status that an error means. */
export function contentExitCode(error: unknown): ExitCode {
  if (error instanceof ConfigError) {
    // The policy of the cache is another file, and one that cannot be read is no wrong configuration.
    const isPolicy = error.issues.some(({file}) => basename(file) === 'policy.yaml');
    return error.code === 'CONFIG_INVALID' && !isPolicy ? ExitCode.InputWrong : ExitCode.Failed;
  }
  if (error instanceof PipelineError) return exitCodes[error.code] ?? ExitCode.Failed;
  return ExitCode.Failed;
}
