import {Command} from '@commander-js/extra-typings';
import type {CliContext} from '../context.ts';
import {ExitCode} from '../exit-code.ts';
import {engineOption, given, insecureOption, jsonOption, registryOption, volumeOption} from '../options.ts';

/** `hypriotkit doctor`: whether this machine can build, and what to do where it cannot. */
export const doctorCommand = (context: CliContext) =>
  new Command('doctor')
    .description('check what a build needs here, each problem with its fix')
    .addOption(volumeOption())
    .addOption(engineOption())
    .addOption(registryOption())
    .addOption(insecureOption())
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
The exit status is 1 if a check failed. With --engine swarm and --registry, every node fetches an image of a
few bytes from there.

Examples:
  $ hypriotkit doctor
  $ hypriotkit doctor --engine swarm --registry registry.example:5000/team/images
  $ ./hypriotkit --setup doctor    first install and start what is missing
`,
    )
    .action(async ({json, insecure, ...flags}) => {
      const signal = context.interrupt.listen();
      const {doctor} = await context.loadApi();
      const checks = await doctor({...given({...flags, insecureRegistries: insecure}), signal});
      if (json) {
        context.stdout.write(`${JSON.stringify(checks, null, 2)}\n`);
      } else {
        const {renderChecks} = await import('../results/render-checks.ts');
        const width = context.stdout.columns || 80;
        const lines = renderChecks(checks, width, await context.colors('stdout'), context.symbols);
        context.stdout.write(`${lines.join('\n')}\n`);
      }
      if (checks.some(({status}) => status === 'failed')) context.setExitCode(ExitCode.Failed);
    });
