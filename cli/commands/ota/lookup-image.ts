import {Command} from '@commander-js/extra-typings';
import type {CliContext} from '../../context.ts';
import {jsonOption} from '../../options.ts';
import {ecuOption, imageArgument, releaseKeyOption} from './options.ts';
import {printJson} from './print.ts';

/** `hypriotkit ota lookup-image`. */
export const lookupImageCommand = (context: CliContext) =>
  new Command('lookup-image')
    .description("print the manifest of an ECU's payload, or its config")
    .addArgument(imageArgument())
    .addOption(ecuOption())
    .addOption(releaseKeyOption())
    .option('--image-config', 'print the image config instead of the manifest')
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
From a folder the document is printed as it is stored, else (and with --json) indented.

Examples:
  $ hypriotkit ota lookup-image --ecu-id main main-dev.zip
  $ hypriotkit ota lookup-image --ecu-id main --release-key prd --image-config ./image
`,
    )
    .action(async (location, {ecuId, releaseKey, imageConfig, json}) => {
      const {ImageReader, readBlob} = await import('../../../api/ota/image/index.ts');
      await using image = await ImageReader.open(location);
      const payload = image.payload(ecuId, releaseKey);
      const manifest = await image.manifest(payload);
      const bytes = await readBlob(image.source, imageConfig ? manifest.config : payload.descriptor);
      const text = bytes.toString('utf8');
      if (image.source.kind === 'folder' && !json) context.stdout.write(`${text}\n`);
      else printJson(context, JSON.parse(text));
    });
