import {readFile} from 'node:fs/promises';
import {OtaError} from '../../ota-error.ts';

/** What would remove the whole root file system, or what is handled elsewhere. */
const forbidden: readonly RegExp[] = [
  /^\.$/,
  /^\.\.$/,
  /^\/$/,
  /^\/boot\/ota/,
  /^\/home\/autoware.*\/build$/,
];

/**
 * The patterns of several files together, each once, sorted.
 * @throws {OtaError} INPUT_INVALID if a file cannot be read
 */
export async function buildExcludeConfig(files: readonly string[]): Promise<readonly string[]> {
  const patterns = new Set<string>();
  for (const file of files) {
    const text = await readFile(file, 'utf8').catch((cause: unknown) => {
      throw new OtaError('INPUT_INVALID', `${file} cannot be read: ${(cause as Error).message}`, {cause});
    });
    for (const line of text.split('\n')) {
      const pattern = line.trim();
      if (pattern !== '' && !forbidden.some((one) => one.test(pattern))) patterns.add(pattern);
    }
  }
  return [...patterns].sort();
}
