import {Command} from '@commander-js/extra-typings';
import type {CliContext} from '../../context.ts';
import {jsonOption} from '../../options.ts';
import {ecuOption, imageArgument, releaseKeyOption} from './options.ts';
import {printJson} from './print.ts';

/** `hypriotkit ota get-filetable`. */
export const getFiletableCommand = (context: CliContext) =>
  new Command('get-filetable')
    .description("save the file table of an ECU's payload as an SQLite file")
    .addArgument(imageArgument())
    .addOption(ecuOption())
    .addOption(releaseKeyOption())
    .requiredOption('-o, --output <file>', 'the file to write; replaced if it is there')
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
Examples:
  $ hypriotkit ota get-filetable --ecu-id main -o files.sqlite3 main-dev.zip
`,
    )
    .action(async (location, {ecuId, releaseKey, output, json}) => {
      const {ImageReader, saveTable} = await import('../../../api/ota/image/index.ts');
      await using image = await ImageReader.open(location);
      const {layers} = await image.manifest(image.payload(ecuId, releaseKey));
      await saveTable(image.source, layers[0], output);
      if (json) printJson(context, {digest: layers[0].digest, output});
    });
