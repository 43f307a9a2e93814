import {Command} from '@commander-js/extra-typings';
import type {CliContext} from '../../context.ts';
import {jsonOption} from '../../options.ts';
import {readVersion} from '../../version.ts';
import {printJson} from './print.ts';

/** The release of the reference library whose format and commands these are. */
const referenceVersion = '0.4.0';

/** `hypriotkit ota version`. */
export const versionCommand = (context: CliContext) =>
  new Command('version')
    .description('print the version, and the version of ota-image-libs that it follows')
    .addOption(jsonOption())
    .addHelpText('after', '\nExamples:\n  $ hypriotkit ota version\n')
    .action(({json}) => {
      const version = readVersion();
      if (json) printJson(context, {hypriotkit: version, 'ota-image-libs': referenceVersion});
      else
        context.stdout.write(
          `Build with hypriotkit v${version}, compatible with ota-image-libs v${referenceVersion}.\n`,
        );
    });
