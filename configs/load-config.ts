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

/**
 * Reads the user's configuration and combines it with the defaults.
 *
 * @param options.file The user's file, which must exist.
 * @param options.target Without `file`: the folder whose configs.json is read if there is one.
 * @throws ConfigError with everything that is wrong in the file, or for a target that is no folder.
 */
export async function loadConfigs(options: {
  readonly target?: string | undefined;
  readonly file?: string | undefined;
}): Promise<ResolvedConfigs> {
  const file = await findUserFile(options);
  const defaults = defaultConfigs();
  if (file === undefined) {
    return {...mergeConfigs(defaults, {}), requested: defaultComponents, file, local: noLocalFiles};
  }
  const source = await readConfigText(file);
  const user = checkUserFile(source, defaults);
  return {...mergeConfigs(defaults, user), file, local: await readLocalFiles(source, user)};
}

async function isFile(path: string): Promise<boolean> {
  // Whatever else is wrong with it shows when configs.json is looked for, or when the target is made.
  const found = await stat(path).catch(() => undefined);
  return found !== undefined && !found.isDirectory();
}

async function findUserFile({
  target,
  file,
}: {
  readonly target?: string | undefined;
  readonly file?: string | undefined;
}): Promise<string | undefined> {
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
