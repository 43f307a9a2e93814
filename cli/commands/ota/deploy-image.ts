import {Command, Option} from '@commander-js/extra-typings';
import type {CliContext} from '../../context.ts';
import {jsonOption} from '../../options.ts';
import {caFolderOption, ecuOption, parseThreads, shortReleaseKeyOption} from './options.ts';
import {printJson} from './print.ts';

/** `hypriotkit ota deploy-image`. */
export const deployImageCommand = (context: CliContext) =>
  new Command('deploy-image')
    .description("make the root file system of an ECU's payload in a new folder")
    .requiredOption('-i, --image <image>', 'a folder, a .zip artifact, or an http(s) address of either')
    .addOption(ecuOption())
    .addOption(shortReleaseKeyOption())
    .requiredOption('-o, --rootfs-dir <folder>', 'the folder to make; it must not exist')
    .addOption(caFolderOption())
    .option('-t, --tmp-dir <folder>', 'where downloads are kept meanwhile (default: beside the new folder)')
    .addOption(
      new Option('-w, --workers <count>', 'threads that write (default: one for each CPU)').argParser(
        parseThreads,
      ),
    )
    .addOption(new Option('--concurrent <count>', 'taken for ota-image-tools; has no effect').hideHelp())
    .addOption(new Option('--read-size <bytes>', 'taken for ota-image-tools; has no effect').hideHelp())
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
Every digest is checked; with --ca-dir the signature as well, before anything is written. The folder appears when it
is complete; after a failure nothing is left. Owners and device files need root.

Examples:
  $ hypriotkit ota deploy-image --image main-dev.zip --ecu-id main --rootfs-dir ./rootfs
  $ hypriotkit ota deploy-image -i https://example.com/main.zip --ecu-id main -k prd -o ./rootfs --ca-dir ./ca
`,
    )
    .action(async ({image: location, ecuId, releaseKey, rootfsDir, caDir, tmpDir, workers, json}) => {
      const {deployImage, ImageReader, verifySignature} = await import('../../../api/ota/image/index.ts');
      await using image = await ImageReader.open(location);
      if (caDir !== undefined) await verifySignature(image, {caFolder: caDir});
      const {signal} = context.interrupt;
      const result = await deployImage(image, {ecuId, releaseKey, rootfsDir, tmpDir, workers, signal});
      if (json) printJson(context, result);
      else {
        const {regularFiles, directories, nonRegularFiles} = result;
        context.stderr.write(
          `${rootfsDir}: ${regularFiles} files, ${directories} directories, ${nonRegularFiles} links and whiteouts\n`,
        );
      }
    });
