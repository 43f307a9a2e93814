import {Command} from '@commander-js/extra-typings';
import type {CliContext} from '../context.ts';
import {configOption, given, targetOption} from '../options.ts';

/** `hypriotkit config`: the configuration that a build would use. */
export const configCommand = (context: CliContext) =>
  new Command('config')
    .description('print the merged configuration as JSON, with passwords masked')
    .addOption(targetOption())
    .addOption(configOption())
    .option('--schema', 'print the JSON Schema of configs.json instead')
    .option('--json', 'accepted for symmetry: the output is always JSON')
    .addHelpText(
      'after',
      `
Examples:
  $ hypriotkit config --target ./out | jq .root_fs
  $ hypriotkit config --schema > configs.schema.json
`,
    )
    .action(async ({schema, target, config}) => {
      const print = (value: unknown) => context.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
      if (schema) {
        const {configsJsonSchema} = await import('../../configs/json-schema.ts');
        print(configsJsonSchema());
        return;
      }
      const [{loadConfigs}, {redactSecrets}] = await Promise.all([
        import('../../configs/load-config.ts'),
        import('../../configs/redact.ts'),
      ]);
      const {components} = await loadConfigs(given({target, file: config}));
      print(redactSecrets(components));
    });
