import {Command} from '@commander-js/extra-typings';
import type {CliContext} from '../../context.ts';
import {imageArgument} from './options.ts';
import {jsonOption} from '../../options.ts';
import {printJson} from './print.ts';

/** `hypriotkit ota inspect-index`. */
export const inspectIndexCommand = (context: CliContext) =>
  new Command('inspect-index')
    .description('print index.json, indented, with members that are not known here')
    .addArgument(imageArgument())
    .addOption(jsonOption())
    .addHelpText('after', '\nExamples:\n  $ hypriotkit ota inspect-index main-dev.zip\n')
    .action(async (location) => {
      const {ImageReader} = await import('../../../api/ota/image/index.ts');
      await using image = await ImageReader.open(location);
      printJson(context, JSON.parse(image.indexBytes.toString('utf8')));
    });
