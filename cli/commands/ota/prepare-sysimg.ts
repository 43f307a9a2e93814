import {readFile} from 'node:fs/promises';
import {Command} from '@commander-js/extra-typings';
import {OtaError} from '../../../api/ota/ota-error.ts';
import type {CliContext} from '../../context.ts';
import {jsonOption} from '../../options.ts';
import {printJson} from './print.ts';

/** `hypriotkit ota prepare-sysimg`. */
export const prepareSysimgCommand = (context: CliContext) =>
  new Command('prepare-sysimg')
    .description('remove from a root file system in a folder what does not belong into an image')
    .requiredOption('--rootfs-dir <folder>', 'the root file system; it is changed')
    .option('--cleanup-pattern-file <file>', 'more patterns of what to remove, one for each line')
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
Empties /dev, /proc, /sys, /run and /tmp, removes logs, and points /etc/resolv.conf to the device's own resolver.

Examples:
  $ hypriotkit ota prepare-sysimg --rootfs-dir ./rootfs
`,
    )
    .action(async ({rootfsDir, cleanupPatternFile, json}) => {
      const {prepareSysimg} = await import('../../../api/ota/image/index.ts');
      const patterns =
        cleanupPatternFile === undefined
          ? ''
          : await readFile(cleanupPatternFile, 'utf8').catch((cause: unknown) => {
              throw new OtaError('INPUT_INVALID', `${cleanupPatternFile} cannot be read`, {cause});
            });
      const removed = await prepareSysimg(rootfsDir, patterns);
      if (json) printJson(context, {removed});
    });
