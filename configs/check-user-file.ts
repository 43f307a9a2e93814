import {checkFields} from './check-fields.ts';
import {ConfigError} from './config-error.ts';
import {parseJsonDocument} from './json-document.ts';
import type {Configs, UserConfigs} from './schema.ts';
import {maskSecrets} from './secrets.ts';
import type {Problem, SourceText} from './source-text.ts';
import {UserFile} from './user-file.ts';

/**
 * What a user's file says, checked against everything that can be checked without a Docker engine.
 *
 * @throws ConfigError with all problems, by position.
 */
export function checkUserFile(source: SourceText, defaults: Configs): UserConfigs {
  const document = parseJsonDocument(source.text);
  const problems: Problem[] = [...document.problems];
  let configs: UserConfigs = {};
  if (document.root !== undefined) {
    const file = new UserFile(source, document.root);
    const checked = checkFields(file, defaults);
    problems.push(...file.problems, ...checked.problems);
    configs = checked.configs;
  }
  if (problems.length > 0) {
    problems.sort((a, b) => a.span.offset - b.span.offset);
    const printable = maskSecrets(source.text, document);
    throw new ConfigError(
      'CONFIG_INVALID',
      problems.map((problem) => source.toIssue(problem, printable)),
    );
  }
  return configs;
}
