import {Command, Option} from '@commander-js/extra-typings';
import type {CliContext} from '../../context.ts';
import {collect} from '../../options.ts';
import {writeJsonLine} from '../../reporters/json-reporter.ts';
import {reportDropped} from './report-dropped.ts';
import {
  annotationsOption,
  createdOf,
  createdOption,
  imageRootArgument,
  parseSysConfig,
  progressOption,
  showProgress,
  tmpDirOption,
  workersOption,
} from './write-options.ts';

/** `hypriotkit ota add-image`. */
export const addImageCommand = (context: CliContext) =>
  new Command('add-image')
    .description('add a root file system to an image, for one ECU or several')
    .addArgument(imageRootArgument())
    .requiredOption(
      '--rootfs <folder|tar|img>',
      'a folder, a tar archive (also .gz, .zst), or an ext4 or disk image',
    )
    .addOption(annotationsOption())
    .addOption(
      new Option(
        '--sys-config <ecu:[file]>',
        'an ECU and its sys config, which may be empty; may be repeated',
      )
        .argParser(collect)
        .makeOptionMandatory(),
    )
    .addOption(
      new Option('--release-key <key>', 'the release key (default: that of the annotations)').choices([
        'dev',
        'prd',
      ] as const),
    )
    .addOption(createdOption())
    .addOption(tmpDirOption())
    .addOption(workersOption())
    .addOption(progressOption())
    .addHelpText(
      'after',
      `
Examples:
  $ hypriotkit ota add-image --rootfs ./rootfs --annotations-file main.yaml --sys-config main:sys.yaml ./image
`,
    )
    .action(async (image, {annotationsFile, sysConfig, created, json, ...options}) => {
      const {addImage, readAnnotationFile} = await import('../../../api/ota/image/index.ts');
      const result = await addImage({
        ...options,
        image,
        annotations: await readAnnotationFile(annotationsFile),
        ecus: sysConfig.map(parseSysConfig),
        created: createdOf(context, created),
        signal: context.interrupt.listen(),
        onProgress: showProgress(context, json),
      });
      if (json) writeJsonLine(context.stdout, {type: 'result', ok: true, ...result});
      else reportDropped(context, result.dropped);
    });
