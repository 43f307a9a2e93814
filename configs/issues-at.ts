import {findNodeAtLocation, type Node} from 'jsonc-parser';
import type {ConfigIssue} from './config-error.ts';
import {parseJsonDocument} from './json-document.ts';
import {maskSecrets} from './secrets.ts';
import type {SourceText} from './source-text.ts';
import {describe} from './user-file.ts';

/** Where something stands in a configuration, as in `['root_fs', 'scripts', 0]`. */
export type Location = readonly (string | number)[];

/**
 * Makes issues about the values of a file: each says what is at a location, and points there.
 *
 * @param root Where the values of a variant stand; by default those of the whole file.
 * @returns a function that takes the location and the rest of a sentence that starts with its name.
 */
export function issuesAt(
  source: SourceText,
  root?: Node,
): (location: Location, message: string) => ConfigIssue {
  const document = parseJsonDocument(source.text);
  const printable = maskSecrets(source.text, document);
  const values = root ?? document.root;
  return (location, message) => {
    const node = values && findNodeAtLocation(values, [...location]);
    const name = location
      .map((part, index) => (typeof part === 'number' ? `[${part}]` : `${index === 0 ? '' : '.'}${part}`))
      .join('');
    return source.toIssue(
      {
        span: node ?? {offset: 0, length: 1},
        message: `${name} ${message}`,
        ...(node && {found: describe(node)}),
      },
      printable,
    );
  };
}
