import {Command} from '@commander-js/extra-typings';
import type {CliContext} from '../../context.ts';
import {writeJsonLine} from '../../reporters/json-reporter.ts';
import {imageRootArgument, progressOption, showProgress} from './write-options.ts';

/** `hypriotkit ota pack-artifact`. */
export const packArtifactCommand = (context: CliContext) =>
  new Command('pack-artifact')
    .description('pack a signed image into its ZIP artifact')
    .addArgument(imageRootArgument())
    .requiredOption('-o, --output <zip>', 'the file to make; it must not exist')
    .addOption(progressOption())
    .addHelpText('after', '\nExamples:\n  $ hypriotkit ota pack-artifact -o main.zip ./image\n')
    .action(async (image, {output, json}) => {
      const {packArtifact} = await import('../../../api/ota/image/index.ts');
      const result = await packArtifact({
        image,
        output,
        signal: context.interrupt.listen(),
        onProgress: showProgress(context, json),
      });
      if (json) writeJsonLine(context.stdout, {type: 'result', ok: true, output, ...result});
    });
