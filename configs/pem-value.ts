import {createHash} from 'node:crypto';
import {readFile} from 'node:fs/promises';
import {LocalTreeError, readLocalTree, type LocalTree} from './local-tree.ts';
import {variableOf} from './update-fields.ts';

/** What an environment variable must hold. */
const inVariable = 'must hold PEM text, or the path of a file with it';

/**
 * The PEM text that a field names: a file beside configs.json, or `env:NAME` for a variable with the text itself or the
 * path of a file.
 *
 * @throws LocalTreeError whose message never has anything of what the variable holds: it may be a key.
 */
export async function readPem(
  folder: string,
  value: string,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Promise<string> {
  const variable = variableOf(value);
  if (variable === undefined) {
    const {entries} = await readLocalTree(folder, value, 'file');
    return readFile(entries[0]?.source ?? '', 'utf8');
  }
  const text = environment[variable];
  if (text === undefined || text === '') throw new LocalTreeError(`names ${variable}, which is not set`);
  if (text.includes('-----BEGIN ')) return text;
  return readFile(text, 'utf8').catch((error: unknown) => {
    const code = (error as NodeJS.ErrnoException).code ?? '';
    throw new LocalTreeError(`names ${variable}, which ${inVariable} (${code})`);
  });
}

/**
 * The same for something public, as the files that count for what is made. A variable that is not set is no error here:
 * only signing needs it.
 *
 * @throws LocalTreeError for a file that cannot be read.
 */
export async function readPemTree(folder: string, value: string): Promise<LocalTree> {
  if (variableOf(value) === undefined) return readLocalTree(folder, value, 'file');
  const text = await readPem(folder, value).catch(() => '');
  return {digest: text === '' ? '' : createHash('sha256').update(text).digest('hex'), entries: []};
}
