import {Command} from '@commander-js/extra-typings';
import type {CliContext} from '../../context.ts';
import {schemaCommand} from '../schema.ts';
import {contentCreateCommand} from './create.ts';
import {contentGetOciSizesCommand} from './get-oci-sizes.ts';

/** `hypriotkit content`: images loaded with content. */
export const contentCommand = (context: CliContext) =>
  new Command('content')
    .description('fill images with files, archives and container images')
    .addCommand(contentCreateCommand(context))
    .addCommand(contentGetOciSizesCommand(context))
    .addCommand(
      schemaCommand(context, {
        of: 'content',
        what: 'configuration',
        load: async () => (await import('../../../api/content/config-schema.ts')).contentJsonSchema(),
      }),
    )
    .addHelpText(
      'after',
      `
Examples:
  $ hypriotkit content create image.yaml offspot.img --cache-dir ~/offspot-cache
  $ hypriotkit content create image.yaml offspot.img --check     is everything there, and how large would it be?
  $ hypriotkit content get-oci-sizes ghcr.io/offspot/kiwix-serve:dev
`,
    );
