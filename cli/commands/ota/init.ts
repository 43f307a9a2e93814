import {Command} from '@commander-js/extra-typings';
import type {CliContext} from '../../context.ts';
import {jsonOption} from '../../options.ts';
import {printJson} from './print.ts';
import {annotationsOption, imageRootArgument} from './write-options.ts';

/** `hypriotkit ota init`. */
export const initCommand = (context: CliContext) =>
  new Command('init')
    .description('make an empty image in a folder that is absent or empty')
    .addArgument(imageRootArgument())
    .addOption(annotationsOption())
    .addOption(jsonOption())
    .addHelpText('after', '\nExamples:\n  $ hypriotkit ota init --annotations-file release.yaml ./image\n')
    .action(async (image, {annotationsFile, json}) => {
      const {initImage, readAnnotationFile} = await import('../../../api/ota/image/index.ts');
      await initImage(image, await readAnnotationFile(annotationsFile));
      if (json) printJson(context, {image});
    });
