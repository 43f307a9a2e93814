import {Command} from '@commander-js/extra-typings';
import type {CliContext} from '../../context.ts';

/** `hypriotkit bundle schema`: for editors. */
export const bundleSchemaCommand = (context: CliContext) =>
  new Command('schema')
    .description('print the JSON Schema of a description, for editors')
    .addHelpText(
      'after',
      `
Save it beside the description, whose first line then is
  # yaml-language-server: $schema=bundle.schema.json

Examples:
  $ hypriotkit bundle schema > bundle.schema.json
`,
    )
    .action(async () => {
      const {descriptionJsonSchema} = await import('../../../api/bundle/description-schema.ts');
      context.stdout.write(`${JSON.stringify(descriptionJsonSchema(), null, 2)}\n`);
    });
