import {Command} from '@commander-js/extra-typings';
import type {CliContext} from '../../context.ts';
import {legacyBuildCommand} from './legacy-build.ts';
import {legacyDeployCommand} from './legacy-deploy.ts';
import {legacyVerifyCommand} from './legacy-verify.ts';
import {packingCommands} from './packing-commands.ts';
import {readingCommands} from './reading-commands.ts';
import {stickCommand} from './stick.ts';
import {writingCommands} from './writing-commands.ts';

/** `hypriotkit ota …`: makes, reads, checks and deploys OTA images. */
export function otaCommand(context: CliContext) {
  const ota = new Command('ota')
    .description('make, read, check and deploy signed OTA images (v1)')
    .addHelpText(
      'after',
      `
Examples:
  $ hypriotkit ota build --rootfs ./rootfs --ecu-id main --sign-key sign.key --sign-cert sign.pem -o main.zip
  $ hypriotkit ota list-image main-dev.zip
  $ hypriotkit ota verify-sign --ca-dir ./ca main-dev.zip
  $ hypriotkit ota deploy-image --image main-dev.zip --ecu-id main --rootfs-dir ./rootfs
`,
    );
  // Its commands are added when it is: only then are output and error handling of the program known.
  ota.copyInheritedSettings = function (program) {
    Command.prototype.copyInheritedSettings.call(this, program);
    for (const command of this.commands) command.copyInheritedSettings(program);
    return this;
  };
  for (const command of [...writingCommands(context), ...readingCommands(context)]) ota.addCommand(command);
  ota.addCommand(legacyBuildCommand(context));
  ota.addCommand(legacyVerifyCommand(context));
  ota.addCommand(legacyDeployCommand(context));
  for (const command of packingCommands(context)) ota.addCommand(command);
  ota.addCommand(stickCommand(context));
  return ota;
}
