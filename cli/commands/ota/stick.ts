import {Command, Option} from '@commander-js/extra-typings';
import {sourceDateEpoch} from '../../../api/pipeline/source-date-epoch.ts';
import type {CliContext} from '../../context.ts';
import {ExitCode} from '../../exit-code.ts';
import {collect, jsonOption} from '../../options.ts';
import {printWarnings} from '../../print-warnings.ts';
import {renderStick} from '../../results/render-stick.ts';
import {confirmOverwriting} from './confirm-overwriting.ts';
import {collectImages, parseEcuImage} from './pack-options.ts';
import {printJson} from './print.ts';

/** `hypriotkit ota stick`: a medium for devices without a network, in one step. */
export const stickCommand = (context: CliContext) =>
  new Command('stick')
    .description('make a USB stick, or the image of one, for devices without a network')
    .argument('<device|file>', 'a disk or partition, as /dev/sdb1, or a file to make')
    .option(
      '--cache-src <image>',
      'an OTA image, legacy or v1, that otaproxy shall find (repeatable)',
      collect,
    )
    .addOption(
      new Option(
        '--offline-bundle <ECU:PATH[:VERSION]>',
        'the same, for a known ECU and version (repeatable; a ":" in a path is "\\:")',
      )
        .argParser(parseEcuImage)
        .conflicts('cacheSrc'),
    )
    .option(
      '--bundle <file>',
      'an update-agent bundle; the archive of its images lies beside it (repeatable)',
      collect,
    )
    .addOption(
      new Option(
        '--bundle-key <file>',
        'public key in PEM form that the bundles must be signed with',
      ).conflicts('bundleCert'),
    )
    .option('--bundle-cert <file>', 'the same as a certificate')
    .option('-f, --force', 'do not ask; unmount the device where it is mounted; replace a file')
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
Makes one ext4 file system of the whole device, without mounting it, and reads every file back. Disks that the running
system lies on are never written. SOURCE_DATE_EPOCH sets the time of the files.

Examples:
  $ hypriotkit ota stick /dev/sdb --cache-src main.zip
  $ hypriotkit ota stick stick.img --cache-src p1.tgz --bundle gripper_1.0.0.bundle
`,
    )
    .action(
      async (target, {cacheSrc = [], offlineBundle, bundle = [], bundleKey, bundleCert, force, json}) => {
        const [{makeStick}, {loadVerificationKey}] = await Promise.all([
          import('../../../api/medium/make-stick.ts'),
          import('../../../api/bundle/signing-key.ts'),
        ]);
        const pem = bundleKey ?? bundleCert;
        const stick = await makeStick({
          target,
          cacheSource: offlineBundle ?? (await collectImages(cacheSrc, undefined)),
          bundles: bundle,
          bundleKey:
            pem === undefined
              ? undefined
              : await loadVerificationKey(pem, bundleKey === undefined ? 'certificate' : 'key'),
          force,
          timestamp: sourceDateEpoch(context.env),
          signal: context.interrupt.listen(),
          ...(!force && {confirm: confirmOverwriting(context, '--force')}),
        });
        if (stick === undefined) {
          context.stderr.write('nothing was written\n');
          context.setExitCode(ExitCode.Failed);
          return;
        }
        await printWarnings(stick.warnings, context);
        if (bundle.length > 0 && pem === undefined)
          await printWarnings(['the signatures of the bundles were not checked: add --bundle-key'], context);
        if (json) printJson(context, stick);
        else for (const line of renderStick(stick, context.stdout.columns)) context.stdout.write(`${line}\n`);
      },
    );
