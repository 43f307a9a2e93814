import {Command} from '@commander-js/extra-typings';
import {formatByteSize} from '../../../configs/human-units.ts';
import type {CliContext} from '../../context.ts';
import {endContentRun} from '../../end-content-run.ts';
import {collect, jsonOption} from '../../options.ts';

/** `hypriotkit content get-oci-sizes`: the sizes that a configuration may give, in its own form. */
export const contentGetOciSizesCommand = (context: CliContext) =>
  new Command('get-oci-sizes')
    .description('print the sizes of container images, to be pasted into a configuration')
    .argument('<images...>', 'names of images, which are fetched for it, or exported tars')
    .option('--platform <platform>', 'of images in registries', 'linux/arm64/v8')
    .option('--insecure-registry <host>', 'speak to this registry without TLS', collect)
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
Examples:
  $ hypriotkit content get-oci-sizes ghcr.io/offspot/base-httpd:dev
  $ hypriotkit content get-oci-sizes caddy-2.6.1-alpine.tar >> image.yaml
`,
    )
    .action((images, {platform, insecureRegistry, json}) =>
      endContentRun(context, {}, async () => {
        const {getOciSizes} = await import('../../../api/content/oci-sizes.ts');
        const signal = context.interrupt.listen();
        const found = [];
        for (const image of images)
          found.push(await getOciSizes(image, {platform, insecureRegistries: insecureRegistry, signal}));
        if (json) {
          context.stdout.write(`${JSON.stringify({oci_images: found}, null, 2)}\n`);
          return;
        }
        const lines = found.flatMap(({ident, filesize, fullsize}) => [
          `  - ident: ${ident}`,
          `    filesize: ${filesize}  # ${formatByteSize(filesize)}`,
          `    fullsize: ${fullsize}  # ${formatByteSize(fullsize)}`,
        ]);
        context.stdout.write(`${['oci_images:', ...lines].join('\n')}\n`);
      }),
    );
