import {Command} from '@commander-js/extra-typings';
import type {CliContext} from '../../context.ts';
import {jsonOption} from '../../options.ts';
import {printWarnings} from '../../print-warnings.ts';

/** `hypriotkit bundle validate`: checks a description. */
export const bundleValidateCommand = (context: CliContext) =>
  new Command('validate')
    .description('check a bundle description; every mistake is reported with its place')
    .argument('<description>', 'the description file (.yaml)')
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
Exit status: 0 it is right, 1 it is not, 2 it cannot be read.

Examples:
  $ hypriotkit bundle validate bundle-description.yaml
`,
    )
    .action(async (file, {json}) => {
      const {validateBundle} = await import('../../../api/bundle/validate.ts');
      const {description, warnings} = await validateBundle(file);
      if (json) {
        context.stdout.write(`${JSON.stringify({file, description, warnings}, null, 2)}\n`);
        return;
      }
      await printWarnings(warnings, context);
      context.stdout.write(`Bundle file ${file} successfully validated.\n`);
    });
