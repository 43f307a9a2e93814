import {Command} from '@commander-js/extra-typings';
import type {CliContext} from '../../context.ts';

/** `hypriotkit content schema`: for editors. */
export const contentSchemaCommand = (context: CliContext) =>
  new Command('schema')
    .description('print the JSON Schema of a configuration, for editors')
    .addHelpText(
      'after',
      `
Save it beside the configuration, whose first line then is
  # yaml-language-server: $schema=content.schema.json

Examples:
  $ hypriotkit content schema > content.schema.json
`,
    )
    .action(async () => {
      const {contentJsonSchema} = await import('../../../api/content/config-schema.ts');
      context.stdout.write(`${JSON.stringify(contentJsonSchema(), null, 2)}\n`);
    });
