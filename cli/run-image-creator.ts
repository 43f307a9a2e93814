import {CommanderError} from '@commander-js/extra-typings';
import {contentCreateCommand} from './commands/content/create.ts';
import type {CliContext} from './context.ts';
import {ExitCode} from './exit-code.ts';

/** The command line of the reference's `image-creator`: `hypriotkit content create` under its name. */
export async function runImageCreator(argv: readonly string[], context: CliContext): Promise<void> {
  const program = contentCreateCommand(context, 'image-creator')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => context.stdout.write(text),
      writeErr: (text) => context.stderr.write(text),
    });
  try {
    await program.parseAsync([...argv], {from: 'user'});
  } catch (error) {
    // commander has printed its message already; anything else was printed by the command.
    if (!(error instanceof CommanderError)) throw error;
    context.setExitCode(error.exitCode === 0 ? ExitCode.Done : ExitCode.NotStarted);
  } finally {
    context.interrupt[Symbol.dispose]();
  }
}
