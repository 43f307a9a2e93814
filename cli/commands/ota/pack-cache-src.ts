import {Command} from '@commander-js/extra-typings';
import {sourceDateEpoch} from '../../../api/pipeline/source-date-epoch.ts';
import {PipelineError} from '../../../api/errors.ts';
import type {CliContext} from '../../context.ts';
import {ExitCode} from '../../exit-code.ts';
import {collect, jsonOption} from '../../options.ts';
import {collectImages} from './pack-options.ts';
import {confirmOverwriting} from './confirm-overwriting.ts';
import {printPacked} from './print-packed.ts';

/** `hypriotkit ota pack-cache-src`: OTA images as an external cache for otaproxy. */
export const packCacheSrcCommand = (context: CliContext) =>
  new Command('pack-cache-src')
    .alias('build-cache-src')
    .description('pack OTA images as an external cache for otaproxy: as a tar, on a device, or both')
    .option('--image <file>', 'an OTA image, legacy or v1 (repeatable)', collect)
    .option('--image-dir <folder>', 'a folder of OTA images, all of which are taken')
    .option('-o, --output <file>', 'the tar to make')
    .option(
      '-w, --write-to <device>',
      'a disk or partition to make an ext4 file system "ota_cache_src" on, or a file',
    )
    .option('--force-write-to', 'do not ask; unmount the device where it is mounted; replace a file')
    .option('-f, --force', 'replace an existing tar')
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
Every content is checked against its digest while it is packed, and a device is read back afterwards. Disks that the
running system lies on are never written. SOURCE_DATE_EPOCH sets the time in the manifest.

Examples:
  $ hypriotkit ota pack-cache-src --image-dir ./images -o cache.tar
  $ hypriotkit ota pack-cache-src --image p1.tgz --image p2.tgz --write-to /dev/sdb1
`,
    )
    .action(async ({image = [], imageDir, output, writeTo, forceWriteTo, force, json}) => {
      const {OtaError} = await import('../../../api/ota/ota-error.ts');
      if (output === undefined && writeTo === undefined) {
        throw new PipelineError('USAGE', 'at least one export option should be specified', {
          hint: 'Add --output FILE, --write-to DEVICE, or both.',
        });
      }
      // Before images are looked for, as in the reference.
      if (output !== undefined) {
        const {refuseExisting} = await import('../../../api/archive/publish-file.ts');
        await refuseExisting(output, {force});
      }
      const images = await collectImages(image, imageDir);
      if (images.length === 0) {
        throw new OtaError('INPUT_INVALID', 'at least one valid image should be given', {
          hint: 'Add --image FILE or --image-dir FOLDER.',
        });
      }
      const signal = context.interrupt.listen();
      const timestamp = sourceDateEpoch(context.env);
      if (output !== undefined) {
        const {packBundle} = await import('../../../api/ota/packer/pack.ts');
        printPacked(output, await packBundle({images, output, timestamp, force, signal}), context, json);
      }
      if (writeTo === undefined) return;
      const {writeCacheSource} = await import('../../../api/ota/packer/write-cache-source.ts');
      const manifest = await writeCacheSource({
        images,
        target: writeTo,
        timestamp,
        force: forceWriteTo,
        signal,
        ...(!forceWriteTo && {confirm: confirmOverwriting(context, '--force-write-to')}),
      });
      if (manifest !== undefined) printPacked(writeTo, manifest, context, json);
      else {
        context.stderr.write('nothing was written\n');
        context.setExitCode(ExitCode.Failed);
      }
    });
