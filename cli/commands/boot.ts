import {Command, Option} from '@commander-js/extra-typings';
import type {CliContext} from '../context.ts';
import {ExitCode} from '../exit-code.ts';
import {
  collect,
  configOption,
  given,
  jsonLinesOption,
  packageVolumeOption,
  parsePositiveInteger,
  targetOption,
  variantOption,
  verbosityOption,
  volumeOption,
} from '../options.ts';
import {reportRun} from '../report-run.ts';

/** `hypriotkit boot`: boots an image in QEMU and checks the running system. */
export const bootCommand = (context: CliContext) =>
  new Command('boot')
    .description('boot an image in QEMU up to its login prompt and check the running system')
    .argument(
      '[image]',
      'path of an .img (default: the image of the last build in the target, else in the volume)',
    )
    .addOption(targetOption())
    .addOption(configOption())
    .addOption(variantOption())
    .addOption(volumeOption())
    .addOption(packageVolumeOption())
    .option(
      '-a, --assert <command>',
      'a command that must succeed in the booted system (repeatable)',
      collect,
    )
    .addOption(new Option('--keep', 'afterwards keep the machine and use its console').conflicts('json'))
    .addOption(
      new Option(
        '--boots <count>',
        'boots with the same copy of the card, with all checks each time (default: 1)',
      ).argParser(parsePositiveInteger),
    )
    .addOption(
      new Option(
        '--drive <kind>',
        'what the board starts from: a card, or a USB stick (default: sd)',
      ).choices(['sd', 'usb'] as const),
    )
    .addOption(
      new Option(
        '--network <kind>',
        'what the board is connected to: nothing, or a wire with a DHCP server and nobody else (default: none)',
      ).choices(['none', 'wired'] as const),
    )
    .addOption(
      new Option('--timeout <seconds>', 'time after which a boot has failed (default: 900)').argParser(
        parsePositiveInteger,
      ),
    )
    .option('--user <name>', 'who logs in (default: root_fs.username)')
    .option('--password <text>', 'their password (default: root_fs.password)')
    .addOption(verbosityOption())
    .addOption(jsonLinesOption())
    .addHelpText(
      'after',
      `
The exit status is 1 if the system did not boot or a check failed. --verbosity debug shows its console.

Examples:
  $ hypriotkit boot --target ./out
  $ hypriotkit boot --target ./out --boots 2     the second boot must be clean, too
  $ hypriotkit boot my.img --assert 'systemctl is-active ssh' --assert 'docker run --help'
  $ hypriotkit boot --target ./out --drive usb --network wired
  $ hypriotkit boot --target ./out --keep
`,
    )
    .action(async (image, flags) => {
      const {json, verbosity, assert, keep, timeout, user, ...common} = flags;
      const result = await reportRun(
        context,
        {json, verbosity},
        async ({onEvent, signal, stopDrawing}) => {
          const {bootImage} = await context.loadApi();
          return bootImage({
            ...given({...common, image, assertions: assert, timeoutSeconds: timeout, username: user}),
            onEvent,
            signal,
            ...(keep && {
              attach: async (console) => {
                const {attachConsole} = await import('../attach-console.ts');
                stopDrawing();
                return attachConsole(console, context);
              },
            }),
          });
        },
        ({passed}) => passed,
      );
      if (!json) {
        const {printBootResult} = await import('../results/print-boot-result.ts');
        await printBootResult(result, context);
      }
      if (!result.passed) context.setExitCode(ExitCode.Failed);
    });
