import type {CliContext} from '../context.ts';
import {ExitCode} from '../exit-code.ts';
import {given, jobsOption, jsonLinesOption, projectCommand, verbosityOption} from '../options.ts';
import {reportRun} from '../report-run.ts';

/** `hypriotkit verify`: builds a second time and compares. */
export const verifyCommand = (context: CliContext) =>
  projectCommand(
    'verify',
    'build again in a private volume and compare every artifact with an earlier build',
    'what to verify (default: what configs.json lists, or everything)',
  )
    .option(
      '--against <build.json>',
      'what to compare with (default: build.json in the target, else the newest artifacts in the volume)',
    )
    .option('--keep', 'keep the private volume')
    .addOption(jobsOption())
    .addOption(verbosityOption())
    .addOption(jsonLinesOption())
    .addHelpText(
      'after',
      `
Nothing is written to the target, and the private volume is removed afterwards.
Exit status 0: identical; 1: different, and where is printed.

Examples:
  $ hypriotkit verify --target ./out                       is ./out what this configuration makes?
  $ hypriotkit verify -t ./out --against release.json      is it what was released?
  $ hypriotkit verify blank_image                          the newest one in the volume
`,
    )
    .action(async (components, {json, verbosity, ...flags}) => {
      const result = await reportRun(
        context,
        {json, verbosity},
        async ({onEvent, signal}) => {
          const {verify} = await context.loadApi();
          return verify({
            ...given(flags),
            ...(components.length > 0 && {components}),
            verbosity: 'debug',
            onEvent,
            signal,
          });
        },
        ({identical}) => identical,
      );
      if (!result.identical) context.setExitCode(ExitCode.Failed);
      if (json) return;
      const {renderVerification} = await import('../results/render-verification.ts');
      const lines = renderVerification(result, {
        colors: await context.colors('stdout'),
        symbols: context.symbols,
      });
      context.stdout.write(`${lines.join('\n')}\n`);
    });
