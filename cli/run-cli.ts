import {CommanderError} from '@commander-js/extra-typings';
import type {CliContext} from './context.ts';
import {ExitCode} from './exit-code.ts';
import {createProgram} from './program.ts';

/** Runs one command line and leaves its exit status in the context; never throws. */
export async function runCli(argv: readonly string[], context: CliContext): Promise<void> {
  try {
    await createProgram(context).parseAsync([...argv], {from: 'user'});
  } catch (error) {
    context.setExitCode(await endWith(error, context));
  } finally {
    context.interrupt[Symbol.dispose]();
  }
}

async function endWith(error: unknown, context: CliContext): Promise<ExitCode> {
  // commander has printed its message already, or the help that was asked for.
  if (error instanceof CommanderError) return error.exitCode === 0 ? ExitCode.Done : ExitCode.NotStarted;
  // Loaded only now: measuring text, which it needs, takes as long as all the rest of `--help`.
  const {printError} = await import('./print-error.ts');
  return printError(error, context);
}
