import {Argument, Command, InvalidArgumentError, Option} from '@commander-js/extra-typings';

/** The options that several commands share, each declared once. */
export const targetOption = () =>
  new Option(
    '-t, --target <folder>',
    'folder for the artifacts; its configs.json is merged over the defaults',
  );

export const configOption = () =>
  new Option('-c, --config <file>', 'a configs.json that lies elsewhere, instead of the one in the target');

export const volumeOption = () =>
  new Option(
    '-v, --volume <name|path>',
    'where artifacts are kept: a named volume (default: hypriot-artifacts) or a folder (/…, ./…, ../…)',
  );

export const packageVolumeOption = () =>
  new Option(
    '--package-volume <name|path>',
    'where downloaded packages are kept: a named volume (default: hypriot-packages) or a folder',
  );

export const imageOption = () =>
  new Option('-i, --image <name>', 'image to use as base image, pulled when absent, instead of making one');

export const variantOption = () =>
  new Option('--variant <name>', 'of a configuration with a matrix: this variant only');

export const cacheFromOption = () =>
  new Option(
    '--cache-from <ref>',
    'take finished steps from this repository of a registry; may be repeated (HYPRIOTKIT_CACHE_FROM)',
  ).argParser(collect);

export const cacheTrustOption = () =>
  new Option(
    '--cache-trust <file>',
    'use only what one of these public keys has signed (PEM, EC on P-256); may be repeated (HYPRIOTKIT_CACHE_TRUST)',
  ).argParser(collect);

export const verbosityOption = () =>
  new Option(
    '--verbosity <level>',
    'quiet: only failures; info: what happens; debug: all output of the containers',
  )
    .choices(['quiet', 'info', 'debug'] as const)
    .default('info' as const);

export const jobsOption = () =>
  new Option(
    '-j, --jobs <count>',
    "containers to run at once (default: the engine's CPUs, at most 4)",
  ).argParser(parsePositiveInteger);

export const jsonLinesOption = () =>
  new Option('--json', 'print each event and then the result as one line of JSON each, on stdout');

export const jsonOption = () => new Option('--json', 'print the result as JSON');

export const componentsArgument = (description: string) => new Argument('[components...]', description);

/** A command that looks at a project: its components, its configuration, its volume and its base image. */
export const projectCommand = (name: string, description: string, components: string) =>
  new Command(name)
    .description(description)
    .addArgument(componentsArgument(components))
    .addOption(targetOption())
    .addOption(configOption())
    .addOption(variantOption())
    .addOption(volumeOption())
    .addOption(imageOption());

/** Parses `--jobs 2`; says which value was wrong and what was wanted. */
export function parsePositiveInteger(value: string): number {
  if (/^[1-9]\d{0,8}$/.test(value)) return Number(value);
  throw new InvalidArgumentError(`Expected a positive integer, got "${value}".`);
}

/** Collects the values of an option that may be given several times. */
export function collect(value: string, previous: readonly string[] | undefined): readonly string[] {
  return [...(previous ?? []), value];
}

/** The entries of `options` that were given: an explicit `undefined` would hide a default of the library. */
export function given<T extends object>(options: T): {[K in keyof T]?: Exclude<T[K], undefined>} {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}
