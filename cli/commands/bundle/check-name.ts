import {Command} from '@commander-js/extra-typings';
import {basename} from 'node:path';
import type {CliContext} from '../../context.ts';
import {ExitCode} from '../../exit-code.ts';
import {jsonOption} from '../../options.ts';

/** `hypriotkit bundle check-name`: what an update agent makes of a file name. */
export const bundleCheckNameCommand = (context: CliContext) =>
  new Command('check-name')
    .description('check file names (.bundle, .yaml, _images.tar.gz, .swu) against the naming conventions')
    .argument('<names...>', 'file names; the files need not exist')
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
For .swu files, following the convention and being picked up by the update agent are two things, and both are shown.
Exit status: 0 all names are picked up, 1 one is not.

Examples:
  $ hypriotkit bundle check-name gripper_1.0.0.bundle krc5_stable_0.0.7_marlin_amd64.swu
`,
    )
    .action(async (names, {json}) => {
      const {checkName} = await import('../../../api/bundle/names.ts');
      const checks = names.map((name) => checkName(basename(name)));
      if (checks.some(({recognised}) => !recognised)) context.setExitCode(ExitCode.Failed);
      if (json) {
        context.stdout.write(`${JSON.stringify(checks, null, 2)}\n`);
        return;
      }
      const {cleanLine} = await import('../../text.ts');
      const yesNo = (value: boolean) => (value ? 'yes' : 'no');
      for (const {name, kind, followsConvention, recognised, remarks} of checks) {
        const verdict = `convention: ${yesNo(followsConvention)}, picked up: ${yesNo(recognised)}`;
        context.stdout.write(`${cleanLine(name)}  ${kind}  ${verdict}\n`);
        for (const remark of remarks) context.stdout.write(`  ${remark}\n`);
      }
    });
