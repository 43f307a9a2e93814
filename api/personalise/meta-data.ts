import {createHash} from 'node:crypto';
import type {Document} from 'yaml';
import {MetaData} from './cloud-config.ts';
import {checkYaml, findMisspelledKeys, parseYaml, throwProblems, type YamlFile} from './yaml-file.ts';

const keys = [
  'instance-id',
  'local-hostname',
  'dsmode',
  'public-keys',
  'network-interfaces',
  'hostname',
  'seedfrom',
];

/**
 * Reads a `meta-data` file and checks it.
 *
 * @throws ConfigError
 */
export function checkMetaData(path: string, text: string): YamlFile {
  const file = parseYaml(path, text);
  if (file.document.contents === null) return file;
  throwProblems(file, [...checkYaml(file, MetaData), ...findMisspelledKeys(file, [], keys).problems]);
  return file;
}

/**
 * Sets an instance id that follows from the other files: cloud-init does its work once for each id, so a card whose
 * files have changed is set up again, and one with the same files is left alone.
 */
export function setInstanceId(document: Document, contents: readonly string[]): void {
  if (document.contents !== null) document.delete('instance-id');
  const hash = createHash('sha256');
  const rest = JSON.stringify(document.toJS() ?? {});
  for (const text of [...contents, rest]) hash.update(`${text.length}:${text}`);
  document.set('instance-id', `hypriotkit-${hash.digest('hex').slice(0, 16)}`);
}
