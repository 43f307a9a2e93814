import {Command} from '@commander-js/extra-typings';
import type {CliContext} from '../../context.ts';
import {jsonOption} from '../../options.ts';
import {imageArgument} from './options.ts';
import {printJson} from './print.ts';

/** `hypriotkit ota get-resourcetable`. */
export const getResourcetableCommand = (context: CliContext) =>
  new Command('get-resourcetable')
    .description('save the resource table of an image as an SQLite file')
    .addArgument(imageArgument())
    .requiredOption('-o, --output <file>', 'the file to write; replaced if it is there')
    .addOption(jsonOption())
    .addHelpText(
      'after',
      '\nExamples:\n  $ hypriotkit ota get-resourcetable -o resources.sqlite3 main-dev.zip\n',
    )
    .action(async (location, {output, json}) => {
      const {ImageReader, OtaError, saveTable} = await import('../../../api/ota/image/index.ts');
      await using image = await ImageReader.open(location);
      const descriptor = image.resourceTable;
      if (!descriptor) throw new OtaError('METADATA_INVALID', `${location} has no resource table`);
      await saveTable(image.source, descriptor, output);
      if (json) printJson(context, {digest: descriptor.digest, output});
    });
