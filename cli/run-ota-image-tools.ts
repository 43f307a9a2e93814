import {Command, CommanderError} from '@commander-js/extra-typings';
import {OtaError} from '../api/ota/ota-error.ts';
import {readingCommands} from './commands/ota/reading-commands.ts';
import type {CliContext} from './context.ts';
import {ExitCode} from './exit-code.ts';

/**
 * The command line of the reference's `ota-image-tools`: the same commands as `hypriotkit ota`, with its messages and
 * its exit codes: 0 done (also for help, and without a command), 1 failed, 2 wrong usage.
 */
export async function runOtaImageTools(argv: readonly string[], context: CliContext): Promise<void> {
  const program = new Command('ota-image-tools')
    .description('Reads, checks and deploys OTA images, like the tool of that name in ota-image-libs.')
    .option('-d, --debug', 'taken for scripts that give it; has no effect')
    .helpCommand(false)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => context.stdout.write(text),
      writeErr: (text) => context.stderr.write(text),
    });
  for (const command of readingCommands(context)) program.addCommand(command.copyInheritedSettings(program));
  program.action(() => {
    context.stdout.write(`Please specify subcommand.\n${program.helpInformation()}`);
  });
  try {
    await program.parseAsync([...argv], {from: 'user'});
  } catch (error) {
    context.setExitCode(endWith(error, context));
  } finally {
    context.interrupt[Symbol.dispose]();
  }
}

function endWith(error: unknown, context: CliContext): ExitCode {
  if (error instanceof CommanderError) return error.exitCode === 0 ? ExitCode.Done : ExitCode.NotStarted;
  const message =
    error instanceof OtaError ? error.message : error instanceof Error ? error.stack : String(error);
  context.stderr.write(`ERR: ${message ?? ''}\n`);
  return ExitCode.Failed;
}
