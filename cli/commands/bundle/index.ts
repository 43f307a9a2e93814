import {Command} from '@commander-js/extra-typings';
import type {CliContext} from '../../context.ts';
import {schemaCommand} from '../schema.ts';
import {bundleCheckNameCommand} from './check-name.ts';
import {bundleCreateCommand} from './create.ts';
import {bundleImagesCommand} from './images.ts';
import {bundleInitCommand} from './init.ts';
import {bundleInspectCommand} from './inspect.ts';
import {bundleValidateCommand} from './validate.ts';
import {bundleVerifyCommand} from './verify.ts';

/** `hypriotkit bundle`: everything about update-agent bundles. */
export const bundleCommand = (context: CliContext) =>
  new Command('bundle')
    .description('make and check update-agent bundles and the images that go with them')
    .addCommand(bundleInitCommand(context))
    .addCommand(bundleValidateCommand(context))
    .addCommand(bundleCreateCommand(context))
    .addCommand(bundleVerifyCommand(context))
    .addCommand(bundleInspectCommand(context))
    .addCommand(bundleImagesCommand(context))
    .addCommand(bundleCheckNameCommand(context))
    .addCommand(
      schemaCommand(context, {
        of: 'bundle',
        what: 'description',
        load: async () => (await import('../../../api/bundle/description-schema.ts')).descriptionJsonSchema(),
      }),
    )
    .addHelpText(
      'after',
      `
Examples:
  $ hypriotkit bundle init gripper_1.0.0                          a description to start from
  $ hypriotkit bundle validate gripper_1.0.0.yaml
  $ hypriotkit bundle create -k key.pem gripper_1.0.0.yaml EULA.txt
  $ hypriotkit bundle images gripper_1.0.0.bundle                 its images, for a USB medium
`,
    );
