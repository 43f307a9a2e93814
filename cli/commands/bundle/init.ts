import {Command} from '@commander-js/extra-typings';
import type {CliContext} from '../../context.ts';

/** `hypriotkit bundle init`: a description to start from. */
export const bundleInitCommand = (context: CliContext) =>
  new Command('init')
    .description('write a commented, valid description to start from')
    .argument('[name]', 'identity of the bundle, as <id>_<version>', 'my-bundle_1.0.0')
    .option('-f, --force', 'replace an existing file')
    .addHelpText(
      'after',
      `
Examples:
  $ hypriotkit bundle init gripper_1.0.0      writes gripper_1.0.0.yaml
`,
    )
    .action(async (name, {force}) => {
      const {initBundle} = await import('../../../api/bundle/init.ts');
      const file = await initBundle(name, {force});
      context.stdout.write(`${file}\n`);
    });
