import {Command} from '@commander-js/extra-typings';
import type {CliContext} from '../../context.ts';
import {ExitCode} from '../../exit-code.ts';
import {formatCount} from '../../format.ts';
import {jsonOption} from '../../options.ts';
import {cacheDirOption, openNamed} from './open.ts';

/** `hypriotkit cache verify`: reads everything back. */
export const cacheVerifyCommand = (context: CliContext) =>
  new Command('verify')
    .description('read everything back and compare it with its SHA-256; what is damaged is removed')
    .addOption(cacheDirOption())
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
Exit status 1 says that something was damaged. It is downloaded again when it is next needed.

Examples:
  $ hypriotkit cache verify
  $ hypriotkit cache verify --cache-dir /media/usb/cache
`,
    )
    .action(async ({cacheDir, json}) => {
      const signal = context.interrupt.listen();
      const cache = await openNamed(cacheDir, {isReadOnly: false});
      let count = 0;
      const damages = await cache.verify({signal, onEntry: () => count++});
      if (damages.length > 0) context.setExitCode(ExitCode.Failed);
      if (json) {
        context.stdout.write(
          `${JSON.stringify({folder: cache.folder, verified: count, damages}, null, 2)}\n`,
        );
        return;
      }
      for (const {entry, problem} of damages) context.stdout.write(`${entry.source}: ${problem}; removed\n`);
      const verdict = damages.length === 0 ? 'all are as they were stored' : `${damages.length} damaged`;
      context.stdout.write(`${formatCount(count, 'entry', 'entries')} verified, ${verdict}\n`);
    });
