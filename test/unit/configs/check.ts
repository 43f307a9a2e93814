import {checkUserFile} from '../../../configs/check-user-file.ts';
import {ConfigError, formatConfigIssue, type ConfigIssue} from '../../../configs/config-error.ts';
import {defaultConfigs} from '../../../configs/default-configs.ts';
import {SourceText} from '../../../configs/source-text.ts';

/** The issues of a user's file with that text, which stands in /project/configs.json. */
export function issuesOf(text: string): readonly ConfigIssue[] {
  try {
    checkUserFile(new SourceText('/project/configs.json', text), defaultConfigs());
  } catch (error) {
    if (error instanceof ConfigError) {
      return error.issues;
    }
    throw error;
  }
  return [];
}

/** The first line of each issue, for example `2:5 root_fs.hostname must be …`. */
export function linesOf(text: string): readonly string[] {
  return issuesOf(text).map((issue) =>
    (formatConfigIssue(issue, '/project').split('\n')[0] ?? '').replace('configs.json:', ''),
  );
}

/** {@link linesOf} for a value that is written as JSON on one line. */
export function linesOfValue(value: unknown): readonly string[] {
  return linesOf(JSON.stringify(value));
}
