import {Command} from '@commander-js/extra-typings';
import type {CliContext} from '../../context.ts';
import {jsonOption} from '../../options.ts';
import {cacheDirOption, openNamed} from './open.ts';

/** `hypriotkit cache policy`: checks policy.yaml and shows what it comes to. */
export const cachePolicyCommand = (context: CliContext) =>
  new Command('policy')
    .description('check policy.yaml and show what it comes to')
    .addOption(cacheDirOption())
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
A policy that cannot be used is an error with line and column, exit status 2. Where there is none, the
default one is written with a comment for each key.

Examples:
  $ hypriotkit cache policy
  $ hypriotkit cache policy --cache-dir ./cache --json
`,
    )
    .action(async ({cacheDir, json}) => {
      const {folder, policy} = await openNamed(cacheDir, {isReadOnly: false});
      const {renderPolicy, toPlainPolicy} = await import('../../results/render-policy.ts');
      context.stdout.write(
        json
          ? `${JSON.stringify(toPlainPolicy(policy), null, 2)}\n`
          : `${renderPolicy(policy, folder).join('\n')}\n`,
      );
    });
