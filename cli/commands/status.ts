import {Command} from '@commander-js/extra-typings';
import type {CliContext} from '../context.ts';
import {given, jsonOption, packageVolumeOption, volumeOption} from '../options.ts';

/** `hypriotkit status`: what the volume holds. */
export const statusCommand = (context: CliContext) =>
  new Command('status')
    .description('list the finished artifacts in a volume, and the size of what packages take')
    .addOption(volumeOption())
    .addOption(packageVolumeOption())
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
Examples:
  $ hypriotkit status
  $ hypriotkit status --volume ./artifacts --json
`,
    )
    .action(async ({json, ...flags}) => {
      const signal = context.interrupt.listen();
      const {status} = await context.loadApi();
      const result = await status({...given(flags), signal});
      const {renderStatus} = await import('../results/render-status.ts');
      context.stdout.write(
        json ? `${JSON.stringify(result, null, 2)}\n` : `${renderStatus(result).join('\n')}\n`,
      );
    });
