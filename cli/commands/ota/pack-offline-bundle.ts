import {Command} from '@commander-js/extra-typings';
import {sourceDateEpoch} from '../../../api/pipeline/source-date-epoch.ts';
import type {CliContext} from '../../context.ts';
import {jsonOption} from '../../options.ts';
import {ecuImageOption} from './pack-options.ts';
import {printPacked} from './print-packed.ts';

/** `hypriotkit ota pack-offline-bundle`: OTA images of several ECUs for an update without a network. */
export const packOfflineBundleCommand = (context: CliContext) =>
  new Command('pack-offline-bundle')
    .alias('build-offline-ota-imgs-bundle')
    .description('pack the OTA images of several ECUs into one tar, for an update without a network')
    .addOption(ecuImageOption())
    .requiredOption('-o, --output <file>', 'the tar to make')
    .option('-f, --force', 'replace an existing tar')
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
Images are legacy ones (folder, tar, tar.gz, tar.zst, tar.xz) or v1 ones (folder, .zip). Every content is checked and
packed once. SOURCE_DATE_EPOCH sets the time in the manifest.

Examples:
  $ hypriotkit ota pack-offline-bundle --image p1:p1.tgz:v2 --image p2:p2.tgz -o bundle.tar
`,
    )
    .action(async ({image, output, force, json}) => {
      const {packBundle} = await import('../../../api/ota/packer/pack.ts');
      const signal = context.interrupt.listen();
      const timestamp = sourceDateEpoch(context.env);
      printPacked(output, await packBundle({images: image, output, timestamp, force, signal}), context, json);
    });
