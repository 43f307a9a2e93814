import {basename, dirname, join} from 'node:path';
import type {CheckedFile} from './check-user-file.ts';
import {findLocalFields, type LocalField} from './local-fields.ts';
import {ConfigError, type ConfigIssue} from './config-error.ts';
import {issuesAt} from './issues-at.ts';
import {LocalTreeError, readLocalTree, type LocalTree} from './local-tree.ts';
import {readPemTree} from './pem-value.ts';
import type {SourceText} from './source-text.ts';

/** The files and folders beside configs.json that it names, by the path that it gives. */
export type LocalFiles = ReadonlyMap<string, LocalTree>;

/** A configuration that names none. */
export const noLocalFiles: LocalFiles = new Map();

/**
 * Reads everything that a configuration names beside itself.
 *
 * @throws ConfigError naming each field whose file is not there or is not what it must be.
 */
export async function readLocalFiles(
  source: SourceText,
  {configs, root}: Pick<CheckedFile, 'configs' | 'root'>,
): Promise<LocalFiles> {
  const folder = dirname(source.file);
  const found = new Map<string, LocalTree>();
  const issues: ConfigIssue[] = [];
  const toIssue = issuesAt(source, root);
  for (const field of findLocalFields(configs)) {
    const path = withoutSlash(field.path);
    const report = (message: string) => issues.push(toIssue(field.location, message));
    try {
      const tree =
        field.kind === 'pem'
          ? await readPemTree(folder, path)
          : await readLocalTree(folder, path, field.kind);
      issues.push(...(await check(field, folder, tree, report)));
      found.set(path, tree);
    } catch (error) {
      if (!(error instanceof LocalTreeError)) throw error;
      report(error.message);
    }
  }
  if (issues.length > 0) throw new ConfigError('CONFIG_INVALID', issues);
  return found;
}

/** The tree of a path that the configuration names. */
export function localTree(files: LocalFiles, path: string): LocalTree {
  const tree = files.get(withoutSlash(path));
  if (tree === undefined) throw new Error(`${basename(path)} was not read with the configuration`);
  return tree;
}

function withoutSlash(path: string): string {
  return path.replace(/\/$/, '');
}

/** Looks into the files; what is wrong in one of them is an issue of its own, at its place in that file. */
async function check(
  field: LocalField,
  folder: string,
  tree: LocalTree,
  report: (message: string) => void,
): Promise<ConfigIssue[]> {
  if (field.check === undefined) return [];
  const {name, find} = field.check;
  const entry = tree.entries.find(({path, type}) => path === name && type === 'file');
  if (entry === undefined) return [];
  const paths = tree.entries.map(({path}) => path);
  return (await find(entry.source, paths)).flatMap(({line, message}) => {
    if (line === undefined) {
      report(message);
      return [];
    }
    return [{file: join(folder, withoutSlash(field.path), name), line, column: 1, message}];
  });
}
