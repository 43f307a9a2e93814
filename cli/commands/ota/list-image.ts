import {Command} from '@commander-js/extra-typings';
import type {CliContext} from '../../context.ts';
import {jsonOption} from '../../options.ts';
import {imageArgument} from './options.ts';
import {printJson} from './print.ts';

/** `hypriotkit ota list-image`. */
export const listImageCommand = (context: CliContext) =>
  new Command('list-image')
    .description('list the payloads of an image: for which ECU and which release key')
    .addArgument(imageArgument())
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
Examples:
  $ hypriotkit ota list-image main-dev.zip
  $ hypriotkit ota list-image --json https://example.com/images/main/
`,
    )
    .action(async (location, {json}) => {
      const {ImageReader} = await import('../../../api/ota/image/index.ts');
      await using image = await ImageReader.open(location);
      const skipped = image.unknownEntries.map(({artifactType, mediaType}) => artifactType ?? mediaType);
      if (json) {
        const payloads = image.payloads.map(({ecuId, releaseKey, descriptor}) => ({
          ecuId,
          releaseKey,
          digest: descriptor.digest,
        }));
        printJson(context, {kind: image.source.kind, payloads, skipped});
        return;
      }
      const lines = image.payloads.map(
        ({ecuId, releaseKey}, index) => `idx=${index}\tecu_id='${ecuId}'\tota_release_key='${releaseKey}'`,
      );
      const kind = image.source.kind === 'zip' ? 'artifact' : 'folder';
      const title = `${'-'.repeat(18)} OTA image payloads ${'-'.repeat(18)}`;
      context.stdout.write(
        [`OTA image ${kind}: ${location}`, title, ...lines, '-'.repeat(57)]
          .map((line) => `${line}\n`)
          .join(''),
      );
      for (const type of skipped)
        context.stderr.write(`notice: skipped an entry of the unknown type ${type}\n`);
    });
