import {Command, Option} from '@commander-js/extra-typings';
import type {CliContext} from '../../context.ts';
import {jsonOption} from '../../options.ts';
import {imageArgument, parseChecksum} from './options.ts';
import {printBytes, printJson} from './print.ts';

/** `hypriotkit ota inspect-blob`. */
export const inspectBlobCommand = (context: CliContext) =>
  new Command('inspect-blob')
    .description('print or save a blob, after checking it')
    .addArgument(imageArgument())
    .addOption(
      new Option('--checksum <sha256:hex>', 'the digest of the blob')
        .argParser((value: string) => parseChecksum(value))
        .makeOptionMandatory(),
    )
    .option('-o, --output <file>', 'save it instead of printing it')
    .option('--bytes', 'print it as it is (default: as text, with a newline after it)')
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
Examples:
  $ hypriotkit ota inspect-blob --checksum sha256:c92c…c042 main-dev.zip
  $ hypriotkit ota inspect-blob --checksum sha256:0065…c196 -o table.zst main-dev.zip
`,
    )
    .action(async (location, {checksum, output, bytes, json}) => {
      const {ImageReader, isSha256Hex, OtaError, saveBlob, streamBlob} =
        await import('../../../api/ota/image/index.ts');
      if (!isSha256Hex(checksum)) return;
      await using image = await ImageReader.open(location);
      if (output !== undefined) {
        await saveBlob(image.source, checksum, output);
        if (json) printJson(context, {digest: `sha256:${checksum}`, output});
        else context.stdout.write(`Save blob to ${output} ...\n`);
        return;
      }
      const pieces = streamBlob(image.source, checksum);
      if (bytes) {
        await printBytes(context.stdout, pieces);
        return;
      }
      const text = new TextDecoder('utf-8', {fatal: true});
      try {
        for await (const piece of pieces) context.stdout.write(text.decode(piece, {stream: true}));
        context.stdout.write(`${text.decode()}\n`);
      } catch (error) {
        if (!(error instanceof TypeError)) throw error;
        throw new OtaError('INPUT_INVALID', 'The blob is not text', {
          hint: 'add --bytes to print it as it is, or -o',
        });
      }
    });
