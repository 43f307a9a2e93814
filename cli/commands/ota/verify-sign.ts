import {Command} from '@commander-js/extra-typings';
import type {CliContext} from '../../context.ts';
import {jsonOption} from '../../options.ts';
import {caFolderOption, imageArgument} from './options.ts';
import {printJson} from './print.ts';

/** `hypriotkit ota verify-sign`. */
export const verifySignCommand = (context: CliContext) =>
  new Command('verify-sign')
    .description('check the signature of an image, who made it, and that it is about this index.json')
    .addArgument(imageArgument())
    .addOption(caFolderOption())
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
Without --ca-dir anybody may have signed it. The exit status is 1 if anything is wrong.

Examples:
  $ hypriotkit ota verify-sign --ca-dir ./ca main-dev.zip
`,
    )
    .action(async (location, {caDir, json}) => {
      const {ImageReader, verifySignature} = await import('../../../api/ota/image/index.ts');
      await using image = await ImageReader.open(location);
      const {claims, chain, isTrusted} = await verifySignature(image, {caFolder: caDir});
      if (!isTrusted) {
        context.stderr.write('warning: no --ca-dir: who signed the image was not checked\n');
      }
      if (json) {
        printJson(context, {claims, chain, isTrusted});
        return;
      }
      context.stdout.write(`Signed by: ${chain.join(' <- ')}\nVerified index.jwt claims:\n`);
      printJson(context, claims);
    });
