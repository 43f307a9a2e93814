import {Command, Option} from '@commander-js/extra-typings';
import {OtaError} from '../../../api/ota/ota-error.ts';
import type {CliContext} from '../../context.ts';
import {collect} from '../../options.ts';
import {writeJsonLine} from '../../reporters/json-reporter.ts';
import {reportDropped} from './report-dropped.ts';
import {
  caCertOption,
  createdOf,
  createdOption,
  parseSysConfig,
  progressOption,
  readKey,
  readPem,
  showProgress,
  signCertOption,
  signKeyOption,
  signKeyPasswordOption,
  tmpDirOption,
  workersOption,
} from './write-options.ts';

/** `hypriotkit ota build`. */
export const buildOtaCommand = (context: CliContext) =>
  new Command('build')
    .description('make a signed artifact from a root file system in one go')
    .requiredOption(
      '--rootfs <folder|tar|img>',
      'a folder, a tar archive (also .gz, .zst), or an ext4 or disk image',
    )
    .addOption(
      new Option('--ecu-id <id>', 'an ECU that gets it, without sys config; may be repeated').argParser(
        collect,
      ),
    )
    .addOption(
      new Option('--sys-config <ecu:[file]>', 'an ECU and its sys config; may be repeated').argParser(
        collect,
      ),
    )
    .requiredOption('-o, --output <zip>', 'the file to make; it must not exist')
    .option('--annotations-file <yaml>', 'a YAML map of annotations')
    .addOption(
      new Option(
        '--add-annotation <key=value>',
        'an annotation, instead of that of the file; may be repeated',
      ).argParser(collect),
    )
    .addOption(
      new Option(
        '--release-key <key>',
        'the release key (default: that of the annotations, else dev)',
      ).choices(['dev', 'prd'] as const),
    )
    .addOption(signCertOption())
    .addOption(signKeyOption())
    .addOption(signKeyPasswordOption())
    .addOption(caCertOption())
    .option('--otaclient-release <folder>', 'an otaclient release to put into the image')
    .addOption(createdOption())
    .addOption(tmpDirOption())
    .addOption(workersOption())
    .addOption(progressOption())
    .addHelpText(
      'after',
      `
The same root file system, options and --created give the same artifact, byte for byte. Without --sign-key it is not
signed. Required annotations that are not given: base image "unknown", architecture aarch64.

Examples:
  $ hypriotkit ota build --rootfs ./rootfs --ecu-id main --sign-key sign.key --sign-cert sign.pem -o main.zip
  $ hypriotkit ota build --rootfs rpi.img --sys-config main:sys.yaml --annotations-file main.yaml -o main.zip
`,
    )
    .action(
      async ({
        ecuId = [],
        sysConfig = [],
        annotationsFile,
        addAnnotation,
        signKey,
        signCert,
        signKeyPasswd,
        caCert = [],
        created,
        json,
        ...options
      }) => {
        const {buildAnnotation, buildOtaImage, keys, readAnnotationFile} =
          await import('../../../api/ota/image/index.ts');
        const ecus = [...ecuId.map((id) => ({ecuId: id})), ...sysConfig.map(parseSysConfig)];
        if (ecus.length === 0)
          throw new OtaError('INPUT_INVALID', 'Which ECU is it for?', {
            hint: 'Give --ecu-id or --sys-config.',
          });
        if ((signKey === undefined) !== (signCert === undefined))
          throw new OtaError(
            'KEY_INVALID',
            '--sign-key and --sign-cert belong together: one of them is missing',
          );
        const {annotations, ignored} = buildAnnotation({
          base: annotationsFile === undefined ? {} : await readAnnotationFile(annotationsFile),
          addOr: [`${keys.baseImage}=unknown`, `${keys.ecuArchitecture}=aarch64`, `${keys.releaseKey}=dev`],
          addReplace: addAnnotation,
        });
        for (const key of ignored)
          context.stderr.write(`warning: ${key} is not an annotation that can be set: left out\n`);
        const result = await buildOtaImage({
          ...options,
          ecus,
          annotations,
          created: createdOf(context, created),
          ...(signKey !== undefined &&
            signCert !== undefined && {
              signing: {
                key: await readKey(context, signKey),
                passphrase: signKeyPasswd ?? context.env['HYPRIOTKIT_SIGN_KEY_PASSWORD'],
                certificate: await readPem(signCert, 'The certificate'),
                intermediates: await Promise.all(caCert.map((path) => readPem(path, 'The certificate'))),
              },
            }),
          signal: context.interrupt.listen(),
          onProgress: showProgress(context, json),
        });
        if (json) {
          writeJsonLine(context.stdout, {type: 'result', ok: true, output: options.output, ...result});
          return;
        }
        reportDropped(context, result.dropped);
        if (!result.isSigned)
          context.stderr.write('warning: without --sign-key the image is not signed: no device takes it\n');
        const {formatBytes} = await import('../../format.ts');
        context.stdout.write(
          `${options.output}: ${formatBytes(result.sizeBytes)}, ${result.blobsCount} blobs, ${result.regularFiles} files\n`,
        );
      },
    );
