import {Command} from '@commander-js/extra-typings';
import type {CliContext} from '../../context.ts';
import {jsonOption} from '../../options.ts';
import {printJson} from './print.ts';

// Not in a function that has an `await using`: there tsc 6 leaves the ending of a dynamic import as it is.
const loadLegacy = () =>
  Promise.all([
    import('../../../api/ota/legacy/legacy-image.ts'),
    import('../../../api/ota/legacy/verify-legacy.ts'),
    import('../../../api/ota/legacy/deploy-legacy.ts'),
  ]);

/** `hypriotkit ota legacy-deploy`: makes the root file system of an image of the old format. */
export const legacyDeployCommand = (context: CliContext) =>
  new Command('legacy-deploy')
    .description('make the root file system of an OTA image of the old (legacy) format in a new folder')
    .argument('<image>', 'a folder, or a tar of it (also .gz, .zst, .xz)')
    .requiredOption('-o, --rootfs-dir <folder>', 'the folder to make; it must not exist')
    .option('--ca-dir <folder>', 'check the signature first: certificates <env>.<name>.pem')
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
Examples:
  $ hypriotkit ota legacy-deploy image.tgz --ca-dir ./certs -o ./rootfs
`,
    )
    .action(async (location, {rootfsDir, caDir, json}) => {
      const [{LegacyImage}, {verifyLegacyImage}, {deployLegacyImage}] = await loadLegacy();
      const signal = context.interrupt.listen();
      await using image = await LegacyImage.open(location);
      // Contents are checked while they are written.
      if (caDir !== undefined) await verifyLegacyImage(image, {caFolder: caDir, skipContents: true, signal});
      await deployLegacyImage(image, rootfsDir, signal);
      if (json) printJson(context, {image: location, rootfsDir});
      else context.stdout.write(`${rootfsDir}\n`);
    });
