import {Command, CommanderError} from '@commander-js/extra-typings';
import {PipelineError} from '../api/errors.ts';
import {OtaError} from '../api/ota/ota-error.ts';
import {packingCommands} from './commands/ota/packing-commands.ts';
import type {CliContext} from './context.ts';
import {ExitCode} from './exit-code.ts';

/**
 * The command line of the reference's `images_packer`: its sub-commands and its exit codes: 0 done, 22 for options that
 * do not go together and for outputs that exist, 2 for unknown ones, 1 for everything else.
 */
export async function runImagesPacker(argv: readonly string[], context: CliContext): Promise<void> {
  const program = new Command('images_packer')
    .description('Packs OTA images, like the tool of that name of ota-client.')
    .helpCommand(false)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => context.stdout.write(text),
      writeErr: (text) => context.stderr.write(text),
    });
  for (const command of packingCommands(context)) program.addCommand(command.copyInheritedSettings(program));
  try {
    await program.parseAsync([...argv], {from: 'user'});
  } catch (error) {
    context.setExitCode(endWith(error, context));
  } finally {
    context.interrupt[Symbol.dispose]();
  }
}

function endWith(error: unknown, context: CliContext): ExitCode {
  if (error instanceof CommanderError) return endOfParsing(error);
  if (error instanceof OtaError || error instanceof PipelineError) {
    // In the words of the reference.
    context.stderr.write(`ERR: ${error.message.replace(/ exists already$/, ' exists')}, abort\n`);
    return isUsage(error) ? ExitCode.InvalidArgument : ExitCode.Failed;
  }
  context.stderr.write(`ERR: ${error instanceof Error ? (error.stack ?? '') : String(error)}\n`);
  return ExitCode.Failed;
}

/** A value that is wrong is for the reference a matter of its own, an option that is unknown one of its parser. */
function endOfParsing({code, exitCode}: CommanderError): ExitCode {
  if (exitCode === 0) return ExitCode.Done;
  return code === 'commander.invalidArgument' ? ExitCode.InvalidArgument : ExitCode.NotStarted;
}

function isUsage(error: OtaError | PipelineError): boolean {
  return error instanceof OtaError
    ? error.code === 'INPUT_INVALID'
    : ['USAGE', 'OUTPUT_EXISTS', 'DEVICE_UNUSABLE'].includes(error.code);
}
