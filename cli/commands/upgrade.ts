import {Command} from '@commander-js/extra-typings';
import type {CliContext} from '../context.ts';
import {
  configOption,
  given,
  imageOption,
  jsonLinesOption,
  targetOption,
  verbosityOption,
} from '../options.ts';
import {reportRun} from '../report-run.ts';

/** `hypriotkit upgrade`: fetches the newest base image. */
export const upgradeCommand = (context: CliContext) =>
  new Command('upgrade')
    .description('fetch or make the newest base image; the next build starts from it')
    .addOption(imageOption())
    .addOption(targetOption())
    .addOption(configOption())
    .addOption(verbosityOption())
    .addOption(jsonLinesOption())
    .addHelpText(
      'after',
      `
Examples:
  $ hypriotkit upgrade
  $ hypriotkit upgrade --image my-builder:latest
`,
    )
    .action(async ({json, ...flags}) => {
      const {verbosity, ...options} = flags;
      const {image} = await reportRun(context, {json, verbosity}, async ({onEvent, signal}) => {
        const {upgradeImage} = await context.loadApi();
        return {image: await upgradeImage({...given(options), onEvent, signal})};
      });
      if (!json) context.stdout.write(`${image}\n`);
    });
