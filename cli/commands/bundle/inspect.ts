import {Command} from '@commander-js/extra-typings';
import type {CliContext} from '../../context.ts';
import {jsonOption} from '../../options.ts';

/** `hypriotkit bundle inspect`: what a bundle holds. */
export const bundleInspectCommand = (context: CliContext) =>
  new Command('inspect')
    .description('show what a bundle holds, without judging its signatures')
    .argument('<bundle>', 'the .bundle file')
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
Examples:
  $ hypriotkit bundle inspect gripper_1.0.0.bundle
`,
    )
    .action(async (file, {json}) => {
      const {inspectBundle} = await import('../../../api/bundle/verify.ts');
      const report = await inspectBundle(file);
      if (json) {
        context.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
        return;
      }
      const {renderBundle} = await import('../../results/render-bundle.ts');
      context.stdout.write(`${renderBundle(report).join('\n')}\n`);
    });
