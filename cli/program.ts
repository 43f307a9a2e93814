import {Command, type CommandUnknownOpts} from '@commander-js/extra-typings';
import {bootCommand} from './commands/boot.ts';
import {buildCommand} from './commands/build.ts';
import {bundleCommand} from './commands/bundle/index.ts';
import {cacheCommand} from './commands/cache/index.ts';
import {cleanCommand} from './commands/clean.ts';
import {contentCommand} from './commands/content/index.ts';
import {configCommand} from './commands/config.ts';
import {doctorCommand} from './commands/doctor.ts';
import {explainCommand} from './commands/explain.ts';
import {flashCommand} from './commands/flash.ts';
import {personaliseCommand} from './commands/personalise.ts';
import {otaCommand} from './commands/ota/ota.ts';
import {planCommand} from './commands/plan.ts';
import {statusCommand} from './commands/status.ts';
import {upgradeCommand} from './commands/upgrade.ts';
import {verifyCommand} from './commands/verify.ts';
import type {CliContext} from './context.ts';
import {readVersion} from './version.ts';

/** A fresh command line: parsing it a second time, as tests do, starts from nothing. */
export function createProgram(context: CliContext) {
  const program = new Command('hypriotkit')
    .description('Turns one configs.json into a bootable, reproducible Raspberry Pi image.')
    .version(readVersion(), '--version', 'print the version')
    .option('--no-color', 'print without colours (also: NO_COLOR=1)')
    .option('--setup', 'first install and start what is missing here (done by the launcher, ./hypriotkit)')
    .helpOption('-h, --help', 'show this help')
    .helpCommand('help [command]', 'show the help of a command')
    .addHelpText('after', programExamples)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => context.stdout.write(text),
      writeErr: (text) => context.stderr.write(text),
      getOutHelpWidth: () => helpWidth(context.stdout.columns),
      getErrHelpWidth: () => helpWidth(context.stderr.columns),
    })
    .showHelpAfterError('(--help shows what there is)')
    .hook('preAction', (self) => {
      const {color, setup} = self.opts();
      if (!color) context.disableColors();
      if (setup) self.error('error: --setup is done by the launcher: run it as ./hypriotkit --setup …');
    });

  const commands = [
    buildCommand(context),
    planCommand(context),
    explainCommand(context),
    statusCommand(context),
    bootCommand(context),
    flashCommand(context),
    personaliseCommand(context),
    configCommand(context),
    verifyCommand(context),
    cleanCommand(context),
    cacheCommand(context),
    upgradeCommand(context),
    bundleCommand(context),
    otaCommand(context),
    contentCommand(context),
    doctorCommand(context),
  ];
  for (const command of commands) program.addCommand(inherit(command, program));
  return program;
}

/** Hands settings down to a command and, where it is a group, to the commands in it. */
function inherit<T extends CommandUnknownOpts>(command: T, parent: CommandUnknownOpts): T {
  command.copyInheritedSettings(parent);
  for (const inner of command.commands) inherit(inner, command);
  return command;
}

const programExamples = `
Examples:
  $ ./hypriotkit --setup build --target ./out   build the image on a fresh machine
  $ hypriotkit boot --target ./out              boot it in QEMU and look at it
  $ hypriotkit doctor                           is everything here that a build needs?
`;

/** Wider lines are hard to read; the width of the test snapshots, too, must not depend on the terminal. */
function helpWidth(columns: number | undefined): number {
  return Math.min(columns || 100, 100);
}
