import {writeFile} from 'node:fs/promises';
import {Command, Option} from '@commander-js/extra-typings';
import type {CliContext} from '../../context.ts';
import {collect, jsonOption} from '../../options.ts';
import {printJson} from './print.ts';

/** `hypriotkit ota build-exclude-cfg`. */
export const buildExcludeCfgCommand = (context: CliContext) =>
  new Command('build-exclude-cfg')
    .description('put files of clean-up patterns together: each pattern once, sorted')
    .addOption(
      new Option('-i, --input <file>', 'a file of patterns; may be repeated')
        .argParser(collect)
        .makeOptionMandatory(),
    )
    .option('-o, --output <file>', 'the file to write (default: print)')
    .addOption(jsonOption())
    .addHelpText(
      'after',
      '\nExamples:\n  $ hypriotkit ota build-exclude-cfg -i a.txt -i b.txt -o patterns.txt\n',
    )
    .action(async ({input, output, json}) => {
      const {buildExcludeConfig} = await import('../../../api/ota/image/index.ts');
      const patterns = await buildExcludeConfig(input);
      const text = patterns.map((pattern) => `${pattern}\n`).join('');
      if (output !== undefined) await writeFile(output, text);
      if (json) printJson(context, {patterns});
      else if (output === undefined) context.stdout.write(text);
    });
