import {Command} from '@commander-js/extra-typings';
import type {CliContext} from '../../context.ts';
import {writeJsonLine} from '../../reporters/json-reporter.ts';
import {
  createdOf,
  createdOption,
  imageRootArgument,
  progressOption,
  showProgress,
  tmpDirOption,
  workersOption,
} from './write-options.ts';

/** `hypriotkit ota finalize`. */
export const finalizeCommand = (context: CliContext) =>
  new Command('finalize')
    .description('make the blobs of an image small, and close it for changes')
    .addArgument(imageRootArgument())
    .option('--o-skip-bundle', 'do not bundle small files')
    .option('--o-skip-compression', 'do not compress')
    .option('--o-skip-slice', 'do not cut large blobs')
    .addOption(createdOption())
    .addOption(tmpDirOption())
    .addOption(workersOption())
    .addOption(progressOption())
    .addHelpText('after', '\nExamples:\n  $ hypriotkit ota finalize ./image\n')
    .action(async (image, {oSkipBundle, oSkipCompression, oSkipSlice, created, json, ...options}) => {
      const {finalizeImage} = await import('../../../api/ota/image/index.ts');
      const result = await finalizeImage({
        ...options,
        image,
        skipBundle: oSkipBundle,
        skipCompression: oSkipCompression,
        skipSlice: oSkipSlice,
        created: createdOf(context, created),
        signal: context.interrupt.listen(),
        onProgress: showProgress(context, json),
      });
      if (json) writeJsonLine(context.stdout, {type: 'result', ok: true, ...result});
    });
