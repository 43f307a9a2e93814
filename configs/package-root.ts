import {readFileSync} from 'node:fs';
import {dirname, join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {z} from 'zod';

const packageName = 'hypriotkit';
const PackageJson = z.object({name: z.string()});

let found: string | undefined;

/**
 * The folder that holds hypriotkit's package.json, configs/*.json and build-images/.
 *
 * The same from the sources (run by tsx) and from dist/, where only the compiled files are: the JSON files and the
 * build images stay at the root of the package.
 */
export function packageRoot(): string {
  return (found ??= findPackageRoot(dirname(fileURLToPath(import.meta.url))));
}

/** Walks up from `start` to the first folder whose package.json is named hypriotkit. */
export function findPackageRoot(start: string): string {
  for (let folder = start; ; folder = dirname(folder)) {
    if (isPackageRoot(folder)) {
      return folder;
    }
    if (folder === dirname(folder)) {
      throw new Error(`Found no package.json named "${packageName}" in ${start} or a folder above it`);
    }
  }
}

function isPackageRoot(folder: string): boolean {
  let text: string;
  try {
    text = readFileSync(join(folder, 'package.json'), 'utf8');
  } catch {
    // Most folders on the way have none, and one that cannot be read is not ours.
    return false;
  }
  try {
    return PackageJson.safeParse(JSON.parse(text)).data?.name === packageName;
  } catch {
    // Somebody else's broken package.json must not stop us on the way up.
    return false;
  }
}
