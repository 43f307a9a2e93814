import {dirname} from 'node:path';
import {Command, InvalidArgumentError} from '@commander-js/extra-typings';
import {findByteSize} from '../../../configs/human-units.ts';
import type {ContentListener} from '../../../api/content/content-event.ts';
import type {CliContext} from '../../context.ts';
import {endContentRun} from '../../end-content-run.ts';
import {collect, jsonLinesOption} from '../../options.ts';
import {readVersion} from '../../version.ts';

// Not in a function that has a `using`: there tsc 6 leaves the ending of a dynamic import as it is.
const loadParts = async () => ({
  ...(await import('../../../api/content/create-content-image.ts')),
  ...(await import('../../report-content.ts')),
  ...(await import('../../print-warnings.ts')),
  ...(await import('../../results/render-content.ts')),
});

/** `hypriotkit content create`, also as the command `image-creator` of the reference. */
export const contentCreateCommand = (context: CliContext, name = 'create') =>
  new Command(name)
    .description('fill a base image with files, archives, container images and a device configuration')
    .argument('<config>', 'the configuration (.yaml): a path or an http(s) address')
    .argument('<output>', 'the image to make')
    .option(
      '--build-dir <folder>',
      'for temporary files; downloads that are not complete stay in it (default: a temporary folder)',
    )
    .option('--cache-dir <folder>', 'keep downloads here for later runs, as policy.yaml in it says')
    .option('--show-cache', 'first list what is in the cache')
    .option('-C, --check', 'only check the configuration, the sources and the sizes; nothing is written')
    .option('-K, --keep', 'keep an image that could not be finished, as OUTPUT.incomplete')
    .option('-X, --overwrite', 'replace an existing output, once the new image is complete')
    .option('--max-size <size>', 'fail when the image would be larger, as in 32GB or 29.5GiB', parseSize)
    .option(
      '-T, --concurrency <count>',
      'downloads at once: 0 for as many as there are processors, at least 4',
      parseCount,
      0,
    )
    .option('--releases <address>', 'where the official base images lie (default: those of Kiwix Offspot)')
    .option(
      '--insecure-registry <host>',
      'speak to this registry without TLS; may be given several times',
      collect,
    )
    .option('--volume <name|path>', 'of a base {pipeline: …}: where its artifacts are kept, as for build')
    .option(
      '--package-volume <name|path>',
      'of a base {pipeline: …}: where its packages are kept, as for build',
    )
    .addOption(jsonLinesOption())
    .option('-D, --debug', 'show where an error comes from')
    .version(readVersion(), '-V, --version', 'print the version')
    .addHelpText(
      'after',
      `
SOURCE_DATE_EPOCH dates everything in the image: the same sources then make the same bytes.

Exit status: 0 done; 1 it failed, or the content does not fit; 2 wrong usage, or e2fsprogs is missing;
3 the configuration is wrong, or the output cannot be written; 4 a source cannot be had; 130 interrupted.

Examples:
  $ ${name === 'create' ? 'hypriotkit content create' : name} image.yaml offspot.img --cache-dir ~/offspot-cache
  $ ${name === 'create' ? 'hypriotkit content create' : name} image.yaml offspot.img --check --max-size 32GB
`,
    )
    .action(async (config, output, flags) => {
      const {json, maxSize, check, showCache, insecureRegistry, debug, ...rest} = flags;
      await endContentRun(context, {debug}, async () => {
        const {createContentImage, reportContent, printWarnings, renderContent, renderContentCache} =
          await loadParts();
        const result = await reportContent(context, {json}, ({onEvent, signal, pause}) =>
          createContentImage({
            config,
            output,
            buildDir: rest.buildDir,
            cacheDir: rest.cacheDir,
            releases: rest.releases,
            keep: rest.keep,
            overwrite: rest.overwrite,
            concurrency: rest.concurrency,
            isCheck: check,
            maxBytes: maxSize,
            insecureRegistries: insecureRegistry,
            onEvent,
            signal,
            buildBase: (configs) =>
              buildBase(configs, context, {
                volume: rest.volume,
                packageVolume: rest.packageVolume,
                onEvent,
              }),
            onWarnings: (warnings) => void (pause(), printWarnings(warnings, context)),
            ...(showCache === true && {
              onCache: (cache, entries) => {
                pause();
                const lines = renderContentCache(cache, entries, context.stderr.columns);
                context.stderr.write(`${lines.join('\n')}\n`);
              },
            }),
          }),
        );
        if (!json) context.stdout.write(`${renderContent(result).join('\n')}\n`);
      });
    });

interface BuildBaseOptions {
  readonly volume: string | undefined;
  readonly packageVolume: string | undefined;
  readonly onEvent: ContentListener;
}

/** The image of our own pipeline, in the folder of its configs.json. */
async function buildBase(
  configs: string,
  context: CliContext,
  {volume, packageVolume, onEvent}: BuildBaseOptions,
): Promise<string> {
  const {PipelineError} = await import('../../../api/errors.ts');
  const folder = configs.endsWith('.json') ? dirname(configs) : configs;
  const {build} = await context.loadApi();
  const say = (message: string) => onEvent({type: 'notice', level: 'info', message: `base: ${message}`});
  const {delivered} = await build({
    components: ['rpi_sd_image'],
    target: folder,
    verbosity: 'info',
    ...(volume !== undefined && {volume}),
    ...(packageVolume !== undefined && {packageVolume}),
    signal: context.interrupt.signal,
    onEvent: (event) => {
      if (event.type === 'notice') onEvent(event);
      else if (event.type === 'step-started') say(`${event.step} is being built`);
      else if (event.type === 'artifact-delivered') say(`${event.artifact.path} is there`);
    },
  });
  // The plain one of several forms.
  const images = delivered.map(({path}) => path).filter((path) => /\.img(?:\.(?:zst|xz|zip))?$/.test(path));
  const [image] = images.sort((a, b) => a.length - b.length);
  if (image !== undefined) return image;
  throw new PipelineError('SOURCE_MISSING', `building ${configs} has left no image in ${folder}`);
}

function parseCount(value: string): number {
  if (/^\d{1,4}$/.test(value)) return Number(value);
  throw new InvalidArgumentError(`Expected a number such as 4, or 0, got "${value}".`);
}

function parseSize(value: string): number {
  const bytes = findByteSize(value);
  if (bytes !== undefined && bytes > 0) return bytes;
  throw new InvalidArgumentError(`Expected a size such as 32GB or 29.5GiB, got "${value}".`);
}
