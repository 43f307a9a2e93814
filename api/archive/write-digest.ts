import {writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {sha256File} from './sha256-file.ts';

/**
 * Writes the `.sha256` companion of a file, as sha256sum does.
 *
 * @returns the names of both.
 */
export async function writeDigest(
  folder: string,
  name: string,
  sha256?: string,
): Promise<readonly [string, string]> {
  const digest = sha256 ?? (await sha256File(join(folder, name)));
  await writeFile(join(folder, `${name}.sha256`), `${digest}  ${name}\n`);
  return [name, `${name}.sha256`];
}
