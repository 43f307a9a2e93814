import {stat} from 'node:fs/promises';
import {join, resolve} from 'node:path';
import {checkUserFile} from './check-user-file.ts';
import {ConfigError} from './config-error.ts';
import {defaultConfigs} from './default-configs.ts';
import {noLocalFiles, readLocalFiles, type LocalFiles} from './local-files.ts';
import {mergeConfigs} from './merge.ts';
import {entryExists, readConfigText} from './read-config-text.ts';
import {defaultComponents, type ComponentName, type Configs} from './schema.ts';

/** The configuration of a run. */
export interface ResolvedConfigs {
  /** Every component with its complete configuration. */
  readonly components: Configs;
  /** What the user's file lists, in graph order: what is delivered. Without a file: all but updates. */
  readonly requested: readonly ComponentName[];
  /** The user's file, absolute; undefined when there is none. */
  readonly file: string | undefined;
  /** What it names beside itself. */
  readonly local: LocalFiles;
}

/** Where a configuration is looked for. */
export interface ConfigLocation {
  /** Without `file`: the folder whose configs.json is read if there is one. */
  readonly target?: string | undefined;
  /** The user's file, which must exist. */
  readonly file?: string | undefined;
}

/** One of the configurations that a file with a matrix stands for. */
export interface ResolvedVariant extends ResolvedConfigs {
  /** Undefined for a file without a matrix, which is its only variant. */
  readonly variant: string | undefined;
}

/**
 * Reads the user's configuration and combines it with the defaults.
 *
 * @param variant Which one is meant, of a file with a matrix.
 * @throws ConfigError with everything that is wrong in the file, or for a target that is no folder.
 */
export async function loadConfigs(location: ConfigLocation, variant?: string): Promise<ResolvedConfigs> {
  const variants = await loadVariants(location);
  const found =
    variants.find((one) => one.variant === variant) ?? (variants.length === 1 ? variants[0] : undefined);
  if (found !== undefined && (variant === undefined || found.variant === variant)) return found;
  const names = variants.flatMap((one) => one.variant ?? []);
  throw new ConfigError('CONFIG_INVALID', [
    {
      file: variants[0]?.file ?? 'configs.json',
      message:
        variant === undefined
          ? 'has a matrix: say which variant is meant'
          : `has no variant ${JSON.stringify(variant)}`,
      expected: names.length === 0 ? 'none: the file has no matrix' : `one of ${names.join(', ')}`,
    },
  ]);
}

/** The same for every variant of a file with a matrix; a file without one has one variant. */
export async function loadVariants(location: ConfigLocation): Promise<readonly ResolvedVariant[]> {
  const file = await findUserFile(location);
  const defaults = defaultConfigs();
  if (file === undefined) {
    const merged = mergeConfigs(defaults, {});
    return [{...merged, requested: defaultComponents, file, local: noLocalFiles, variant: undefined}];
  }
  const source = await readConfigText(file);
  const variants: ResolvedVariant[] = [];
  for (const checked of checkUserFile(source, defaults)) {
    const local = await readLocalFiles(source, checked);
    variants.push({...mergeConfigs(defaults, checked.configs), file, local, variant: checked.variant});
  }
  return variants;
}

async function isFile(path: string): Promise<boolean> {
  // Whatever else is wrong with it shows when configs.json is looked for, or when the target is made.
  const found = await stat(path).catch(() => undefined);
  return found !== undefined && !found.isDirectory();
}

async function findUserFile({target, file}: ConfigLocation): Promise<string | undefined> {
  if (file !== undefined) {
    return resolve(file);
  }
  if (target === undefined) {
    return undefined;
  }
  if (await isFile(target)) {
    throw new ConfigError('CONFIG_UNREADABLE', [
      {file: resolve(target), message: 'is a file, and a target must be a folder'},
    ]);
  }
  const inTarget = resolve(join(target, 'configs.json'));
  return (await entryExists(inTarget)) ? inTarget : undefined;
}
