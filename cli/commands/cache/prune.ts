import {Command} from '@commander-js/extra-typings';
import type {CliContext} from '../../context.ts';
import {jsonOption} from '../../options.ts';
import {cacheDirOption, openNamed} from './open.ts';

/** `hypriotkit cache prune`: applies the policy. */
export const cachePruneCommand = (context: CliContext) =>
  new Command('prune')
    .description('drop what the policy does not keep, as every download does when it is done')
    .option('-n, --dry-run', 'only say what would go, and by which rule')
    .addOption(cacheDirOption())
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
What a running process uses stays. Parts of downloads that nobody has gone on with for a week go, too.

Examples:
  $ hypriotkit cache prune --dry-run
  $ hypriotkit cache prune --cache-dir ./cache
`,
    )
    .action(async ({cacheDir, json, dryRun = false}) => {
      context.interrupt.listen();
      const cache = await openNamed(cacheDir, {isReadOnly: dryRun});
      const evictions = await cache.prune({isDryRun: dryRun});
      if (json) {
        context.stdout.write(`${JSON.stringify({folder: cache.folder, dryRun, evictions}, null, 2)}\n`);
        return;
      }
      const {renderEvictions} = await import('../../results/render-cache.ts');
      context.stdout.write(`${renderEvictions(evictions, cache.folder, {isDryRun: dryRun}).join('\n')}\n`);
    });
