import {Command} from '@commander-js/extra-typings';
import type {CliContext} from '../context.ts';

interface SchemaOptions {
  /** Of the command above: `content`. */
  readonly of: string;
  /** What the schema describes: `configuration`. */
  readonly what: string;
  readonly load: () => Promise<object>;
}

/** `hypriotkit … schema`: a JSON Schema for editors. */
export const schemaCommand = (context: CliContext, {of, what, load}: SchemaOptions) =>
  new Command('schema')
    .description(`print the JSON Schema of a ${what}, for editors`)
    .addHelpText(
      'after',
      `
Save it beside the ${what}, whose first line then is
  # yaml-language-server: $schema=${of}.schema.json

Examples:
  $ hypriotkit ${of} schema > ${of}.schema.json
`,
    )
    .action(async () => {
      context.stdout.write(`${JSON.stringify(await load(), null, 2)}\n`);
    });
