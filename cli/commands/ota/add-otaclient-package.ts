import {Command} from '@commander-js/extra-typings';
import type {CliContext} from '../../context.ts';
import {jsonOption} from '../../options.ts';
import {printJson} from './print.ts';
import {imageRootArgument} from './write-options.ts';

/** `hypriotkit ota add-otaclient-package`. */
export const addOtaclientPackageCommand = (context: CliContext) =>
  new Command('add-otaclient-package')
    .description('add an otaclient release to an image, so that otaclient can update itself')
    .addArgument(imageRootArgument())
    .requiredOption('--release-dir <folder>', 'manifest.json and the files that it names')
    .addOption(jsonOption())
    .addHelpText(
      'after',
      '\nExamples:\n  $ hypriotkit ota add-otaclient-package --release-dir ./release ./image\n',
    )
    .action(async (image, {releaseDir, json}) => {
      const {addOtaclientPackage} = await import('../../../api/ota/image/index.ts');
      await addOtaclientPackage(image, releaseDir);
      if (json) printJson(context, {image, releaseDir});
    });

/** `hypriotkit ota add-otaclient-package-legacy-compat`. */
export const addOtaclientPackageLegacyCommand = (context: CliContext) =>
  new Command('add-otaclient-package-legacy-compat')
    .description('the same for otaclients that only know the legacy format')
    .addArgument(imageRootArgument())
    .requiredOption('--release-dir <folder>', 'manifest.json and the files that it names')
    .addOption(jsonOption())
    .addHelpText(
      'after',
      '\nExamples:\n  $ hypriotkit ota add-otaclient-package-legacy-compat --release-dir ./release ./image\n',
    )
    .action(async (image, {releaseDir, json}) => {
      const {addOtaclientPackageLegacy} = await import('../../../api/ota/image/index.ts');
      await addOtaclientPackageLegacy(image, releaseDir);
      if (json) printJson(context, {image, releaseDir});
    });
