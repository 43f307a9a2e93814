import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import {packageRoot} from '../configs/package-root.ts';

/** Version of this package, as in its package.json. */
export function packageVersion(): string {
  const {version} = JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8')) as {
    version: string;
  };
  return version;
}
