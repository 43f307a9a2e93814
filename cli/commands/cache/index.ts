import {Command} from '@commander-js/extra-typings';
import type {CliContext} from '../../context.ts';
import {cacheLsCommand} from './ls.ts';
import {cachePolicyCommand} from './policy.ts';
import {cachePruneCommand} from './prune.ts';
import {cacheShowCommand} from './show.ts';
import {cacheVerifyCommand} from './verify.ts';

/** `hypriotkit cache`: what has been downloaded, and how long it is kept. */
export const cacheCommand = (context: CliContext) =>
  new Command('cache')
    .description('look at downloads that are kept, check them, and drop what the policy does not keep')
    .addCommand(cacheLsCommand(context))
    .addCommand(cacheShowCommand(context))
    .addCommand(cacheVerifyCommand(context))
    .addCommand(cachePruneCommand(context))
    .addCommand(cachePolicyCommand(context))
    .addHelpText(
      'after',
      `
What is kept is said by policy.yaml in the folder of the cache; it is written when it is not there.

Examples:
  $ hypriotkit cache ls
  $ hypriotkit cache prune --dry-run           what would go, and by which rule
  $ hypriotkit cache policy --cache-dir ./cache
`,
    );
