import {Command} from '@commander-js/extra-typings';
import type {CliContext} from '../context.ts';
import {formatBytes} from '../format.ts';
import {componentsArgument, given, jsonLinesOption, volumeOption} from '../options.ts';
import {reportRun} from '../report-run.ts';

/** `hypriotkit clean`: removes what builds have left. */
export const cleanCommand = (context: CliContext) =>
  new Command('clean')
    .description('remove stored artifacts: some components, or the whole volume and the build images')
    .addArgument(componentsArgument('only the artifacts of these components'))
    .addOption(volumeOption())
    .option('-y, --yes', 'do not ask')
    .addOption(jsonLinesOption())
    .addHelpText(
      'after',
      `
Examples:
  $ hypriotkit clean                 the whole volume, after a question
  $ hypriotkit clean rpi_kernel -y   the artifacts of one component
`,
    )
    .action(async (components, {json, yes, ...flags}) => {
      const signal = context.interrupt.listen();
      const {status, clean} = await context.loadApi();
      if (!yes || !json) {
        const {renderRemoval} = await import('../results/render-removal.ts');
        const lines = renderRemoval(await status({...given(flags), signal}), components);
        context.stderr.write(`${lines.join('\n')}\n`);
      }
      if (!yes) {
        const {confirm} = await import('../confirm.ts');
        if (!(await confirm('remove this?', context))) {
          context.stderr.write('nothing was removed\n');
          return;
        }
      }
      const result = await reportRun(context, {json}, ({onEvent}) =>
        clean({...given(flags), ...(components.length > 0 && {components}), onEvent, signal}),
      );
      if (json) return;
      for (const line of result.removed) context.stdout.write(`removed ${line}\n`);
      context.stderr.write(`${formatBytes(result.freedBytes)} freed\n`);
    });
