import type {Node} from 'jsonc-parser';
import {checkFields} from './check-fields.ts';
import {ConfigError} from './config-error.ts';
import {parseJsonDocument} from './json-document.ts';
import {findVariants} from './matrix.ts';
import type {Configs, UserConfigs} from './schema.ts';
import {maskSecrets} from './secrets.ts';
import type {Problem, SourceText} from './source-text.ts';
import {UserFile} from './user-file.ts';

/** What a user's file says, for one of the variants that it stands for. */
export interface CheckedFile {
  /** Of the matrix; undefined in a file without one, which is its only variant. */
  readonly variant: string | undefined;
  readonly configs: UserConfigs;
  /** Where its values stand. */
  readonly root: Node | undefined;
}

/**
 * What a user's file says, checked against everything that can be checked without a Docker engine: once, or for each
 * variant of its matrix.
 *
 * @throws ConfigError with all problems, by position.
 */
export function checkUserFile(source: SourceText, defaults: Configs): readonly CheckedFile[] {
  const document = parseJsonDocument(source.text);
  const problems: Problem[] = [...document.problems];
  const checked: CheckedFile[] = [];
  if (document.root !== undefined) {
    const matrix = findVariants(document.root);
    problems.push(...(matrix?.problems ?? []));
    const roots = matrix?.variants ?? [{name: undefined, root: document.root}];
    for (const {name, root} of roots) {
      const file = new UserFile(source, root);
      const fields = checkFields(file, defaults);
      problems.push(...file.problems, ...fields.problems);
      checked.push({variant: name, configs: fields.configs, root});
    }
  }
  if (problems.length > 0) {
    const printable = maskSecrets(source.text, document);
    const issues = distinct(problems).map((problem) => source.toIssue(problem, printable));
    throw new ConfigError('CONFIG_INVALID', issues);
  }
  return checked;
}

/** By position; what several variants have in common is said once. */
function distinct(problems: readonly Problem[]): Problem[] {
  const known = new Map(problems.toReversed().map((one) => [`${one.span.offset} ${one.message}`, one]));
  return [...known.values()].reverse().sort((a, b) => a.span.offset - b.span.offset);
}
