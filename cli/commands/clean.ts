import {Command, InvalidArgumentError, Option} from '@commander-js/extra-typings';
import {findSize} from '../../configs/size.ts';
import type {CliContext} from '../context.ts';
import {findDuration} from '../duration.ts';
import {formatBytes} from '../format.ts';
import {
  componentsArgument,
  configOption,
  given,
  imageOption,
  insecureOption,
  jsonLinesOption,
  packageVolumeOption,
  targetOption,
  volumeOption,
} from '../options.ts';
import {reportRun} from '../report-run.ts';

/** `hypriotkit clean`: removes what builds have left. */
export const cleanCommand = (context: CliContext) =>
  new Command('clean')
    .description('remove stored artifacts: by component, use, age or size, or everything')
    .addArgument(componentsArgument('only the artifacts of these components'))
    .option('--unreachable', 'only what the current configuration would not use')
    .addOption(
      new Option('--older-than <duration>', 'only what is older, as 12h, 7d or 2w').argParser(parseDuration),
    )
    .addOption(
      new Option('--keep <size>', 'only what does not fit: the newest artifacts stay, as 10GiB').argParser(
        parseKeep,
      ),
    )
    .addOption(
      new Option(
        '--packages',
        'only the packages and kept images, which every other use leaves alone',
      ).conflicts(['unreachable', 'olderThan', 'keep']),
    )
    .addOption(
      new Option(
        '--registry <ref>',
        'in this repository of a registry instead of the volume; what others need may be among it',
      ).conflicts(['unreachable', 'packages', 'volume']),
    )
    .addOption(insecureOption())
    .addOption(targetOption())
    .addOption(configOption())
    .addOption(volumeOption())
    .addOption(packageVolumeOption())
    .addOption(imageOption())
    .option('-y, --yes', 'do not ask')
    .addOption(jsonLinesOption())
    .addHelpText(
      'after',
      `
Several criteria remove what all of them name. --target, --config and --image say what --unreachable goes by.

Examples:
  $ hypriotkit clean                               the whole volume and the build images, after a question
  $ hypriotkit clean rpi_kernel -y                 the artifacts of one component
  $ hypriotkit clean --unreachable --target ./out  what ./out/configs.json does not need
  $ hypriotkit clean --older-than 7d --keep 10GiB  old artifacts, as far as the rest has more than 10 GiB
  $ hypriotkit clean --packages                    every package, and the images that locks need
  $ hypriotkit clean --registry registry.example/team/cache --older-than 30d
`,
    )
    .action(async (components, {json, yes, olderThan, keep, insecure, ...flags}) => {
      const signal = context.interrupt.listen();
      const {status, clean} = await context.loadApi();
      const byEntry =
        flags.unreachable === true ||
        olderThan !== undefined ||
        keep !== undefined ||
        flags.registry !== undefined;
      const options = {
        ...given({...flags, olderThanMs: olderThan, keepBytes: keep, insecureRegistries: insecure}),
        ...(components.length > 0 && {components}),
        signal,
      };
      if (!yes || !json) {
        const {renderRemoval, renderRemovalOfEntries} = await import('../results/render-removal.ts');
        const {renderPackages} = await import('../results/render-status.ts');
        const preview = byEntry ? await clean({...options, dryRun: true}) : undefined;
        const known = () =>
          status({...given({volume: flags.volume, packageVolume: flags.packageVolume}), signal});
        const lines =
          flags.packages === true
            ? [`to be removed: ${renderPackages((await known()).packages)}`]
            : preview === undefined
              ? renderRemoval(await known(), components)
              : renderRemovalOfEntries(preview, flags.registry);
        context.stderr.write(`${lines.join('\n')}\n`);
        // Programs are told by a result all the same.
        if (preview?.entries.length === 0 && !json) return;
      }
      if (!yes) {
        const {confirm} = await import('../confirm.ts');
        if (!(await confirm('remove this?', context))) {
          context.stderr.write('nothing was removed\n');
          return;
        }
      }
      const result = await reportRun(context, {json}, ({onEvent}) => clean({...options, onEvent}));
      if (json) return;
      for (const line of result.removed) context.stdout.write(`removed ${line}\n`);
      // What several entries share stays as long as one of them does.
      const freed = formatBytes(result.freedBytes);
      const text =
        flags.registry === undefined ? `${freed} freed` : `up to ${freed} can be freed: ${collectGarbage}`;
      context.stderr.write(`${text}\n`);
    });

const collectGarbage = 'docker-registry garbage-collect <config.yml>, on its machine while nothing is sent';

function parseDuration(text: string): number {
  const ms = findDuration(text);
  if (ms !== undefined) return ms;
  throw new InvalidArgumentError(`Expected a duration such as 12h, 7d or 2w, got "${text}".`);
}

function parseKeep(text: string): number {
  const bytes = findSize(text);
  if (bytes !== undefined) return bytes;
  throw new InvalidArgumentError(`Expected a size such as 512MiB or 10GiB, got "${text}".`);
}
