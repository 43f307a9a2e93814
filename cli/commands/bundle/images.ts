import {Command, InvalidArgumentError, Option} from '@commander-js/extra-typings';
import {PipelineError} from '../../../api/errors.ts';
import type {CliContext} from '../../context.ts';
import {ExitCode} from '../../exit-code.ts';
import {collect, given, jsonOption} from '../../options.ts';
import {printWarnings} from '../../print-warnings.ts';

/** `hypriotkit bundle images`: the images of a bundle as one archive. */
export const bundleImagesCommand = (context: CliContext) =>
  new Command('images')
    .description('put all images of a bundle into one archive, for an installation from a USB medium')
    .argument('<file>', 'a .bundle or a description (.yaml)')
    .addOption(
      new Option(
        '--from <place>',
        'where the images are: a Docker engine, their registries, or an OCI layout',
      )
        .choices(['engine', 'registry', 'layout'] as const)
        .default('engine' as const),
    )
    .option('--layout <folder>', 'the OCI layout, for --from layout')
    .addOption(
      new Option(
        '--platform <os/architecture>',
        'what the device runs, as linux/arm64/v8 (default: linux/arm64; from an engine: what it has)',
      ).argParser((text) => {
        if (/^[a-z0-9]+\/[a-z0-9_]+(\/[a-z0-9.]+)?$/.test(text)) return text;
        throw new InvalidArgumentError(`Expected a platform such as linux/arm64, got "${text}".`);
      }),
    )
    .addOption(
      new Option('--insecure <registry>', 'speak to this registry without TLS (repeatable)').argParser(
        collect,
      ),
    )
    .option(
      '-o, --output <file>',
      'the archive (default: <id>_<version>_images.tar.gz beside the file); not compressed if it ends in .tar',
    )
    .option(
      '--check',
      'make nothing: read an existing archive back, and compare it with what the bundle needs',
    )
    .option('-f, --force', 'replace an existing archive')
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
Images from registries and layouts are checked against their digests. Passwords are those of docker login.

Examples:
  $ hypriotkit bundle images gripper_1.0.0.bundle                  from the Docker engine
  $ hypriotkit bundle images gripper_1.0.0.yaml --from registry --platform linux/amd64
  $ hypriotkit bundle images gripper_1.0.0.bundle -o images.tar    for podman and skopeo of Debian 12, which fail on .gz
  $ hypriotkit bundle images gripper_1.0.0.bundle --check
`,
    )
    .action(async (file, {check, json, ...flags}) => {
      const print = (value: unknown) => context.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
      const {checkBundleImages, makeBundleImages} = await import('../../../api/bundle/images.ts');
      if (check) {
        const checked = await checkBundleImages({file, ...given({output: flags.output})});
        const ok = checked.missing.length + checked.extra.length === 0;
        if (!ok) context.setExitCode(ExitCode.Failed);
        if (json) return void print({...checked, ok});
        const {renderCheckedImages} = await import('../../results/render-images.ts');
        context.stdout.write(`${renderCheckedImages(checked).join('\n')}\n`);
        return;
      }
      const {parsePlatform} = await import('../../../api/registry/image-source.ts');
      const made = await makeBundleImages({
        file,
        ...given({output: flags.output, force: flags.force}),
        origin: originOf(flags),
        platform: flags.platform === undefined ? undefined : parsePlatform(flags.platform),
        signal: context.interrupt.listen(),
        onImage: ({name, platform}) => context.stderr.write(`${name} (${platform})\n`),
      });
      await printWarnings(made.warnings, context);
      if (json) print(made);
      else context.stdout.write(`Images file ${made.file} successfully created.\n`);
    });

function originOf(flags: {
  readonly from: 'engine' | 'registry' | 'layout';
  readonly layout?: string | undefined;
  readonly insecure?: readonly string[] | undefined;
}) {
  if ((flags.from === 'layout') !== (flags.layout !== undefined)) {
    throw new PipelineError('USAGE', '--from layout and --layout <folder> belong together');
  }
  switch (flags.from) {
    case 'engine':
      return {kind: 'engine'} as const;
    case 'registry':
      return {kind: 'registry', insecureRegistries: flags.insecure} as const;
    case 'layout':
      return {kind: 'layout', folder: flags.layout ?? ''} as const;
  }
}
