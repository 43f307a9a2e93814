import {existsSync, readFileSync} from 'node:fs';

/** The version in package.json, which lies one folder up from the sources and two from the compiled files. */
export function readVersion(): string {
  for (const path of ['../package.json', '../../package.json']) {
    const url = new URL(path, import.meta.url);
    if (!existsSync(url)) continue;
    const {name, version} = JSON.parse(readFileSync(url, 'utf8')) as {name?: string; version?: string};
    if (name === 'hypriotkit' && version !== undefined) return version;
  }
  return 'unknown';
}
