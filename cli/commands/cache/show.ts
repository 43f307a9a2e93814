import {Command} from '@commander-js/extra-typings';
import {PipelineError} from '../../../api/errors.ts';
import type {CliContext} from '../../context.ts';
import {jsonOption} from '../../options.ts';
import {cacheDirOption, openNamed} from './open.ts';

/** `hypriotkit cache show`: everything about one entry. */
export const cacheShowCommand = (context: CliContext) =>
  new Command('show')
    .description('show everything about one entry')
    .argument('<source>', 'its address or image reference, or a part that no other has')
    .addOption(cacheDirOption())
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
Examples:
  $ hypriotkit cache show https://example.org/base.img.xz
  $ hypriotkit cache show base.img --json
`,
    )
    .action(async (source, {cacheDir, json}) => {
      const cache = await openNamed(cacheDir, {isReadOnly: true});
      const entries = await cache.list();
      const exact = entries.filter((entry) => entry.source === source);
      const found = exact.length > 0 ? exact : entries.filter((entry) => entry.source.includes(source));
      const [entry, other] = found;
      if (entry === undefined) {
        throw new PipelineError('USAGE', `there is nothing in ${cache.folder} whose source has "${source}"`, {
          hint: 'hypriotkit cache ls lists what there is.',
        });
      }
      if (other !== undefined) {
        throw new PipelineError('USAGE', `${found.length} entries have "${source}" in their source`, {
          hint: `Among them are ${entry.source} and ${other.source}.`,
        });
      }
      const {renderEntry} = await import('../../results/render-cache.ts');
      context.stdout.write(
        json ? `${JSON.stringify(entry, null, 2)}\n` : `${renderEntry(entry).join('\n')}\n`,
      );
    });
