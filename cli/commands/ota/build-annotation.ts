import {writeFile} from 'node:fs/promises';
import {Command, Option} from '@commander-js/extra-typings';
import type {CliContext} from '../../context.ts';
import {collect, jsonOption} from '../../options.ts';
import {printJson} from './print.ts';

/** `hypriotkit ota build-annotation`. */
export const buildAnnotationCommand = (context: CliContext) =>
  new Command('build-annotation')
    .description('put annotations together and write them as YAML')
    .option('-i, --input <yaml>', 'the annotations to start with')
    .option('-o, --output <yaml>', 'the file to write (default: print)')
    .addOption(
      new Option(
        '--add-user-annotation <key=value>',
        'of a platform, version or hardware, if there is none',
      ).argParser(collect),
    )
    .addOption(new Option('--add-or <key=value>', 'if there is none').argParser(collect))
    .addOption(new Option('--add-replace <key=value>', 'instead of what is there').argParser(collect))
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
Examples:
  $ hypriotkit ota build-annotation -i base.yaml --add-replace vnd.tier4.pilot-auto.project.version=1.2.0 -o out.yaml
`,
    )
    .action(async ({input, output, addUserAnnotation, addOr, addReplace, json}) => {
      const {buildAnnotation, readAnnotationFile} = await import('../../../api/ota/image/index.ts');
      const {stringify} = await import('yaml');
      const base = input === undefined ? {} : await readAnnotationFile(input);
      const {annotations, ignored} = buildAnnotation({base, user: addUserAnnotation, addOr, addReplace});
      for (const key of ignored)
        context.stderr.write(`warning: ${key} is not an annotation that can be set: left out\n`);
      if (output !== undefined) await writeFile(output, stringify(annotations));
      if (json) printJson(context, {annotations, ignored});
      else if (output === undefined) context.stdout.write(stringify(annotations));
    });
