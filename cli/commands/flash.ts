import {Command} from '@commander-js/extra-typings';
import {PipelineError} from '../../api/errors.ts';
import type {FlashPlan} from '../../api/flash/flash-options.ts';
import type {CliContext} from '../context.ts';
import {ExitCode} from '../exit-code.ts';
import {formatBytes} from '../format.ts';
import {given, jsonLinesOption} from '../options.ts';
import {personaliseHelp, personaliseOptions, readPersonalisation} from '../personalise-options.ts';
import {reportFlash} from '../report-flash.ts';

/** `hypriotkit flash`: writes an image to a card and verifies it. */
export const flashCommand = (context: CliContext) => {
  const command = new Command('flash')
    .description('write an image to a card, personalise it, read it back and verify')
    .argument('[image]', '.img, .zip, .gz, .xz or .zst, a URL, or a folder with an .img')
    .argument('[device]', 'the card, as /dev/sdb, or a file to make (default: asks among removable devices)')
    .option(
      '-t, --target <folder>',
      'take the image of the last build there; then DEVICE is the only argument',
    )
    .option('--allow-non-removable', 'also write to disks that are no cards or sticks, and to loop devices')
    .option('-y, --yes', 'do not ask')
    .addOption(jsonLinesOption());
  for (const option of personaliseOptions()) command.addOption(option);
  return command
    .addHelpText(
      'after',
      `${personaliseHelp}
Examples:
  $ hypriotkit flash out/hypriotos-rpi64-latest.img              asks which card
  $ hypriotkit flash --target ./out /dev/sdb --hostname reef     the image of the last build
  $ hypriotkit flash image.img.zip /dev/sdb -y --ssid Harbour --psk - --country DE < passphrase
`,
    )
    .action(async (first, second, flags) => {
      const {target, yes, json, allowNonRemovable, ...rest} = flags;
      const [image, named] = target === undefined ? [first, second] : [target, first];
      if (image === undefined || (target !== undefined && second !== undefined)) {
        throw new PipelineError(
          'USAGE',
          image === undefined ? 'no image is named' : 'there are two images: an argument and --target',
          {
            hint: 'hypriotkit flash IMAGE [DEVICE], or hypriotkit flash --target FOLDER [DEVICE]',
          },
        );
      }
      const personalisation = await readPersonalisation(rest, context);
      const {listDevices, flash} = await context.loadApi();
      const {chooseDevice} = await import('../choose-device.ts');
      context.interrupt.listen();
      const device = named ?? (await chooseDevice(await listDevices(), context));
      const result = await reportFlash(
        context,
        {json},
        ({onEvent, signal, pause}) =>
          flash({
            ...given({allowNonRemovable}),
            image,
            device,
            personalisation,
            onEvent,
            signal,
            ...(!yes && {
              confirm: async (plan) => {
                pause();
                return ask(plan, context);
              },
            }),
          }),
        ({isWritten}) => isWritten,
      );
      if (!result.isWritten) {
        context.stderr.write('nothing was written\n');
        context.setExitCode(ExitCode.Failed);
      } else if (!json) {
        context.stdout.write(`${result.device}\n`);
      }
    });
};

async function ask(plan: FlashPlan, context: CliContext): Promise<boolean> {
  const {image, device, deviceBytes, deviceModel, labels, mountPoints, mappedBytes, files} = plan;
  if (deviceBytes === undefined) return true;
  const what = [device, formatBytes(deviceBytes), deviceModel]
    .filter((part) => part !== undefined)
    .join(', ');
  const lines = [
    `${image}: ${formatBytes(mappedBytes)} to write`,
    ...(files.length === 0 ? [] : [`personalised: ${files.join(', ')}`]),
    `everything on ${what} will be lost${labels.length === 0 ? '' : ` (${labels.join(', ')})`}`,
    ...(mountPoints.length === 0 ? [] : [`to be unmounted: ${mountPoints.join(', ')}`]),
  ];
  context.stderr.write(`${lines.join('\n')}\n`);
  const {confirm} = await import('../confirm.ts');
  return confirm(`write to ${device}?`, context);
}
