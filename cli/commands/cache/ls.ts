import {Command} from '@commander-js/extra-typings';
import type {CliContext} from '../../context.ts';
import {jsonOption} from '../../options.ts';
import {cacheDirOption, openNamed} from './open.ts';

/** `hypriotkit cache ls`: the entries of a cache. */
export const cacheLsCommand = (context: CliContext) =>
  new Command('ls')
    .description('list what is in the cache')
    .addOption(cacheDirOption())
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
Examples:
  $ hypriotkit cache ls
  $ hypriotkit cache ls --cache-dir ./cache --json
`,
    )
    .action(async ({cacheDir, json}) => {
      const cache = await openNamed(cacheDir, {isReadOnly: true});
      const [entries, unfinished] = [await cache.list(), await cache.remains()];
      const {folder, policy} = cache;
      if (json) {
        const {storedBytes} = await import('../../results/render-cache.ts');
        const value = {
          folder,
          enabled: policy.isEnabled,
          sizeBytes: storedBytes(entries),
          entries,
          unfinished,
        };
        context.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
        return;
      }
      const {renderCache} = await import('../../results/render-cache.ts');
      const {stdout} = context;
      // Into a pipe goes all of an address: somebody may look for it.
      const width = stdout.isTTY === true ? (stdout.columns ?? 80) : Infinity;
      stdout.write(
        `${renderCache({folder, policy, entries, unfinished, now: new Date(), width}).join('\n')}\n`,
      );
    });
