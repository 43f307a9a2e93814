import {Command, Option} from '@commander-js/extra-typings';
import type {Sha256Hex} from '../../../api/ota/image/index.ts';
import type {CliContext} from '../../context.ts';
import {ExitCode} from '../../exit-code.ts';
import {jsonOption} from '../../options.ts';
import {imageArgument, parseChecksum, parseThreads} from './options.ts';
import {printJson} from './print.ts';

/** `hypriotkit ota verify-resources`. */
export const verifyResourcesCommand = (context: CliContext) =>
  new Command('verify-resources')
    .description('check all blobs, and that everything the tables ask for is there')
    .addArgument(imageArgument())
    .addOption(
      new Option('--blob-checksum <digest>', 'check only this blob (repeatable)').argParser(
        (value: string, previous: readonly string[] | undefined) => [
          ...(previous ?? []),
          parseChecksum(value, true),
        ],
      ),
    )
    .addOption(
      new Option('--worker-threads <count>', 'threads that read (default: one for each CPU)').argParser(
        parseThreads,
      ),
    )
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
The exit status is 1 if a blob is broken or missing, or a table cannot be followed.

Examples:
  $ hypriotkit ota verify-resources main-dev.zip
`,
    )
    .action(async (location, {blobChecksum, workerThreads, json}) => {
      const {ImageReader, verifyResources} = await import('../../../api/ota/image/index.ts');
      await using image = await ImageReader.open(location);
      const report = await verifyResources(image, {
        only: blobChecksum as readonly Sha256Hex[] | undefined,
        workers: workerThreads,
        signal: context.interrupt.signal,
      });
      if (!report.isSound) context.setExitCode(ExitCode.Failed);
      if (json) {
        const problems = report.problems.map(({code, message}) => ({code, message}));
        printJson(context, {...report, problems});
        return;
      }
      const lines = [
        ...report.broken.map(({message}) => `Find broken blob ${message}`),
        ...report.problems.map(({message}) => `Find broken image: ${message}`),
        ...report.strangers.map((path) => `WARNING: find not-a-blob file ${path}`),
        `Total ${report.blobs} blobs are verified.`,
      ];
      context.stdout.write(`${lines.join('\n')}\n`);
    });
