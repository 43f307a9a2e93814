import {Command} from '@commander-js/extra-typings';
import type {CliContext} from '../../context.ts';
import {formatCount} from '../../format.ts';
import {given, jsonOption} from '../../options.ts';
import {printJson} from './print.ts';

/** `hypriotkit ota legacy-build`: makes an OTA image of the old format. */
export const legacyBuildCommand = (context: CliContext) =>
  new Command('legacy-build')
    .description('make a signed OTA image of the old (legacy) format from a root file system')
    .requiredOption(
      '--rootfs <path>',
      'a folder, a tar archive (also .gz, .zst), or the image of an ext4 partition or a disk',
    )
    .requiredOption('--sign-key <file>', 'private EC key on P-256, PEM without a passphrase')
    .requiredOption('--sign-cert <file>', 'its certificate, PEM')
    .option(
      '--persistent-file <file>',
      "files that stay on the device, one '/path' in single quotes on each line",
    )
    .requiredOption('-o, --output <folder>', 'the folder to make; it must not exist')
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
Devices, pipes and sockets are left out, because the format cannot hold them. Owners need root. Pack the folder with
tar -C FOLDER -czf image.tgz . where an archive is wanted.

Examples:
  $ hypriotkit ota legacy-build --rootfs ./rootfs --sign-key key.pem --sign-cert sign.pem -o ./image
  $ hypriotkit ota legacy-build --rootfs rootfs.tar.gz --sign-key key.pem --sign-cert sign.pem -o ./image
`,
    )
    .action(async ({rootfs, signKey, signCert, persistentFile, output, json}) => {
      const {buildLegacyImage} = await import('../../../api/ota/legacy/build-legacy.ts');
      const signal = context.interrupt.listen();
      const built = await buildLegacyImage({
        rootfs,
        output,
        signKey,
        certificate: signCert,
        signal,
        ...given({persistents: persistentFile}),
      });
      if (json) {
        printJson(context, built);
        return;
      }
      for (const path of built.dropped) context.stderr.write(`left out: ${path}\n`);
      context.stderr.write(
        `${formatCount(built.regularFiles, 'file')}, ${built.compressedFiles} of them compressed, ` +
          `${formatCount(built.directories, 'folder')}, ${formatCount(built.symlinks, 'link')}\n`,
      );
      context.stdout.write(`${output}\n`);
    });
