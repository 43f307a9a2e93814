import {Command} from '@commander-js/extra-typings';
import type {CliContext} from '../context.ts';
import {
  configOption,
  given,
  imageOption,
  jsonLinesOption,
  packageVolumeOption,
  targetOption,
  variantOption,
  verbosityOption,
  volumeOption,
} from '../options.ts';
import {reportRun} from '../report-run.ts';

/** `hypriotkit upgrade`: makes the newest base image and locks the newest packages. */
export const upgradeCommand = (context: CliContext) =>
  new Command('upgrade')
    .description('make the newest base image and lock the newest packages; the next build starts from them')
    .addOption(imageOption())
    .addOption(targetOption())
    .addOption(configOption())
    .addOption(variantOption())
    .addOption(volumeOption())
    .addOption(packageVolumeOption())
    .addOption(verbosityOption())
    .addOption(jsonLinesOption())
    .addHelpText(
      'after',
      `
Examples:
  $ hypriotkit upgrade --target ./out            the lock in ./out and what changed in it
  $ hypriotkit upgrade --image my-builder:latest
`,
    )
    .action(async ({json, ...flags}) => {
      const {verbosity, ...options} = flags;
      const {image, lock} = await reportRun(context, {json, verbosity}, async ({onEvent, signal}) => {
        const {upgrade} = await context.loadApi();
        return upgrade({...given(options), onEvent, signal});
      });
      if (json) return;
      context.stdout.write(`${image}\n`);
      if (lock === undefined) return;
      for (const change of lock.changes) context.stdout.write(`${change}\n`);
      context.stderr.write(
        lock.changes.length === 0 ? `nothing changed in ${lock.file}\n` : `wrote ${lock.file}\n`,
      );
    });
