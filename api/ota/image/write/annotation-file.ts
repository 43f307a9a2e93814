import {readFile, stat} from 'node:fs/promises';
import {parse} from 'yaml';
import {OtaError} from '../../ota-error.ts';

/** Annotations as a person writes them: keys of `keys`, `description` and `created`. */
export type AnnotationMap = Readonly<Record<string, unknown>>;

/**
 * Reads a YAML file that holds a map.
 * @throws {OtaError} INPUT_INVALID
 */
export async function readAnnotationFile(path: string): Promise<AnnotationMap> {
  const isFile = (await stat(path).catch(() => undefined))?.isFile() ?? false;
  if (!isFile)
    throw new OtaError('INPUT_INVALID', `The annotations file ${path} doesn't exist or is not a file`);
  return parseAnnotations(await readFile(path, 'utf8'), path);
}

/** @throws {OtaError} INPUT_INVALID if the text is not a YAML map */
export function parseAnnotations(text: string, what: string): AnnotationMap {
  let value: unknown;
  try {
    value = parse(text);
  } catch (error) {
    throw new OtaError('INPUT_INVALID', `${what} is not YAML: ${(error as Error).message}`, {cause: error});
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new OtaError('INPUT_INVALID', `${what} must hold a map of annotations`);
  return value as AnnotationMap;
}

/** The annotations of some keys, each of which must be text. */
export function textAnnotations(
  map: AnnotationMap,
  wanted: readonly string[],
  what: string,
): Record<string, string> {
  const found: Record<string, string> = {};
  for (const key of wanted) {
    const value = map[key];
    if (value === undefined || value === null) continue;
    if (typeof value !== 'string')
      throw new OtaError('INPUT_INVALID', `${what}: ${key} must be text, not ${JSON.stringify(value)}`, {
        hint: 'Put it between quotation marks.',
      });
    found[key] = value;
  }
  return found;
}
