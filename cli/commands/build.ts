import {Option} from '@commander-js/extra-typings';
import type {BuildResult} from '../../api/options.ts';
import type {CliContext} from '../context.ts';
import {ExitCode} from '../exit-code.ts';
import {
  cacheFromOption,
  cacheTrustOption,
  collect,
  given,
  jobsOption,
  jsonLinesOption,
  packageVolumeOption,
  parsePositiveInteger,
  projectCommand,
  verbosityOption,
} from '../options.ts';
import {printBuildResult} from '../results/print-build-result.ts';
import {reportRun, type RunIo} from '../report-run.ts';

/** `hypriotkit build`: makes the artifacts and copies them to the target. */
export const buildCommand = (context: CliContext) =>
  projectCommand(
    'build',
    'build components and everything that they need',
    'what to build (default: what configs.json lists, or everything)',
  )
    .addOption(packageVolumeOption())
    .addOption(jobsOption())
    .addOption(
      new Option(
        '--max-parallel <count>',
        'of a matrix: how many steps that belong to one variant alone run at once (default: as --jobs)',
      ).argParser(parsePositiveInteger),
    )
    .addOption(cacheFromOption())
    .option(
      '--cache-to <ref>',
      'send finished steps there: REF or REF,mode=min what was asked for, REF,mode=max every step and the base image; may be repeated (HYPRIOTKIT_CACHE_TO)',
      collect,
    )
    .addOption(cacheTrustOption())
    .option('--cache-sign <file>', 'sign what is sent with this private key (HYPRIOTKIT_CACHE_SIGN)')
    .option('--locked', 'build exactly what hypriotkit.lock says, or fail and say what differs')
    .option('--offline', 'as --locked, and without any network: packages come from the package volume')
    .option(
      '--allow-privileged <component>',
      'let the container of this component, whose "repo" is a git repository, run with all privileges; may be repeated',
      (component: string, others: readonly string[] | undefined) => [...(others ?? []), component],
    )
    .option(
      '--no-register-binfmt',
      "never register an emulator with the engine's kernel; fail where one is needed",
    )
    .addOption(verbosityOption())
    .addOption(jsonLinesOption())
    .addHelpText(
      'after',
      `
Examples:
  $ hypriotkit build --target ./out            everything, copied to ./out
  $ hypriotkit build root_fs --jobs 1          one component; it stays in the volume
  $ hypriotkit build -t ./out --json | jq .    for programs
  $ hypriotkit build -t ./out --variant reef   one variant of a matrix, to ./out/reef
  $ hypriotkit build -t ./out --cache-from registry.example/team/cache
`,
    )
    .action(async (components, {json, verbosity, ...flags}) => {
      const isDone = ({variants = []}: BuildResult) => variants.every(({outcome}) => outcome === 'done');
      const work = async ({onEvent, signal}: RunIo) => {
        const {build} = await context.loadApi();
        return build({
          ...given(flags),
          ...(components.length > 0 && {components}),
          // The reporters choose what is shown; the live window needs the last line of each container.
          verbosity: 'debug',
          onEvent,
          signal,
        });
      };
      const result = await reportRun(context, {json, verbosity}, work, isDone);
      if (!json) await printBuildResult(result, context);
      if (!isDone(result)) context.setExitCode(ExitCode.Failed);
    });
