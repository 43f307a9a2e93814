import {Command} from '@commander-js/extra-typings';
import type {CliContext} from '../../context.ts';
import {formatCount} from '../../format.ts';
import {jsonOption} from '../../options.ts';
import {printJson} from './print.ts';

// Not in a function that has an `await using`: there tsc 6 leaves the ending of a dynamic import as it is.
const loadLegacy = () =>
  Promise.all([
    import('../../../api/ota/legacy/legacy-image.ts'),
    import('../../../api/ota/legacy/verify-legacy.ts'),
  ]);

/** `hypriotkit ota legacy-verify`: checks an OTA image of the old format. */
export const legacyVerifyCommand = (context: CliContext) =>
  new Command('legacy-verify')
    .description('check signature, lists and contents of an OTA image of the old (legacy) format')
    .argument('<image>', 'a folder, or a tar of it (also .gz, .zst, .xz)')
    .option('--ca-dir <folder>', 'certificates <env>.<name>.pem; those of one <env> are one chain')
    .option('--skip-contents', 'check the signature and the lists only')
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
Examples:
  $ hypriotkit ota legacy-verify --ca-dir ./certs image.tgz
`,
    )
    .action(async (location, {caDir, skipContents, json}) => {
      const [{LegacyImage}, {verifyLegacyImage}] = await loadLegacy();
      await using image = await LegacyImage.open(location);
      const signal = context.interrupt.listen();
      const verified = await verifyLegacyImage(image, {caFolder: caDir, skipContents, signal});
      if (json) {
        printJson(context, verified);
        return;
      }
      if (verified.environment === undefined) {
        context.stderr.write('warning: without --ca-dir nobody has checked who the signer is\n');
      }
      context.stdout.write(
        `signed by ${verified.signer}; ${formatCount(verified.regularFiles, 'file')} as signed\n`,
      );
    });
