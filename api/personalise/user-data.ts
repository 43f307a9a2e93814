import {isMap, isSeq, type Document} from 'yaml';
import {ConfigError} from '../../configs/config-error.ts';
import {SourceText} from '../../configs/source-text.ts';
import {CloudConfig, cloudConfigKeys, fileKeys, userKeys} from './cloud-config.ts';
import {checkYaml, findMisspelledKeys, parseYaml, throwProblems, type YamlFile} from './yaml-file.ts';

/** The first line by which cloud-init knows what it has. */
const header = '#cloud-config';

/** What a file of cloud-init has that is no error, but may not be meant. */
export interface CheckedFile {
  readonly file: YamlFile;
  readonly warnings: readonly string[];
}

/**
 * Reads a `user-data` file and checks it.
 *
 * @throws ConfigError
 */
export function checkUserData(path: string, text: string): CheckedFile {
  checkHeader(path, text);
  const file = parseYaml(path, text);
  if (file.document.contents === null) return {file, warnings: []};
  const found = [findMisspelledKeys(file, [], cloudConfigKeys)];
  for (const [key, known] of [
    ['users', userKeys],
    ['write_files', fileKeys],
  ] as const) {
    const list = file.document.get(key, true);
    if (!isSeq(list)) continue;
    for (const index of list.items.keys()) found.push(findMisspelledKeys(file, [key, index], known));
  }
  throwProblems(file, [...checkYaml(file, CloudConfig), ...found.flatMap(({problems}) => problems)]);
  const warnings = found.flatMap(({unknown}) =>
    unknown.map((name) => `${path}: cloud-init may not know "${name}", and would ignore it`),
  );
  return {file, warnings};
}

/** A `user-data` file with nothing in it yet. */
export function emptyUserData(): string {
  return `${header}\n`;
}

/** Sets the host name, whatever else says what it is. */
export function setHostname(document: Document, hostname: string): void {
  const fqdn = document.get('fqdn');
  document.set('hostname', hostname);
  if (typeof fqdn === 'string') document.set('fqdn', fqdn.replace(/^[^.]*/, hostname));
  // Both would keep the name that a card has had before.
  if (document.get('preserve_hostname') === true) document.set('preserve_hostname', false);
}

/** Lets the holders of keys log in: as the default user, or as the first of `users` where that is left out. */
export function addSshKeys(document: Document, keys: readonly string[]): void {
  const users = document.get('users', true);
  const names: unknown[] = isSeq(users) ? users.items.map((item) => (isMap(item) ? undefined : item)) : [];
  const hasDefault = names.some((item) => String(item) === 'default');
  const first =
    isSeq(users) && !hasDefault ? users.items.findIndex((item) => isMap(item) && item.has('name')) : -1;
  const path = first === -1 ? [] : ['users', first];
  const under = (key: string): (string | number)[] => [...path, key];
  const key = document.hasIn(under('ssh-authorized-keys')) ? 'ssh-authorized-keys' : 'ssh_authorized_keys';
  const list: unknown = document.getIn(under(key), true);
  if (!isSeq(list)) {
    document.setIn(under(key), document.createNode([...keys]));
    return;
  }
  const present = new Set(list.items.map((item) => String(item)));
  for (const added of keys) if (!present.has(added)) list.add(document.createNode(added));
}

/** The text of an edited file; comments, and the first line, stay. */
export function formatYaml(document: Document): string {
  return document.toString({lineWidth: 0, flowCollectionPadding: false});
}

function checkHeader(path: string, text: string): void {
  const [first = ''] = text.split(/\r?\n/, 1);
  if (first.trimEnd() === header) return;
  const source = new SourceText(path, text);
  const message = first.startsWith('#!')
    ? `is a script, not a cloud-config: put its commands under "runcmd:" in a file that begins with "${header}"`
    : /^#\s*cloud-config\b/i.test(first) || /^\s+#cloud-config/.test(first)
      ? `does not begin with the line "${header}", written just so`
      : `is not a cloud-config: its first line must be "${header}"`;
  const issue = source.toIssue({span: {offset: 0, length: Math.max(1, first.length)}, message}, text);
  throw new ConfigError('CONFIG_INVALID', [issue]);
}
