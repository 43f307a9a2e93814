import {resolve} from 'node:path';
import {ConfigError, type ConfigIssue} from '../../configs/config-error.ts';
import {readConfigText} from '../../configs/read-config-text.ts';
import type {Problem, SourceText} from '../../configs/source-text.ts';
import {checkDescription} from './check-description.ts';
import {checkRelations} from './check-relations.ts';
import type {Description} from './description-schema.ts';
import {readLoosely} from './loose-description.ts';
import {readYaml} from '../../configs/yaml-source.ts';

/** A description that is right. */
export interface ValidDescription {
  /** Absolute. */
  readonly file: string;
  readonly description: Description;
  /** What is allowed but hardly meant, by position. */
  readonly warnings: readonly ConfigIssue[];
}

/**
 * Reads a bundle description and checks all that can be checked without its images.
 *
 * @throws ConfigError `BUNDLE_INVALID` with everything that is wrong; `CONFIG_UNREADABLE`.
 * @example
 * const {description, warnings} = await validateBundle('gripper.yaml');
 */
export async function validateBundle(file: string): Promise<ValidDescription> {
  return validateDescription(await readConfigText(resolve(file)));
}

/** {@link validateBundle} for a text that has been read already. */
export function validateDescription(source: SourceText): ValidDescription {
  const yaml = readYaml(source);
  const problems: Problem[] = [...yaml.problems];
  let warnings: readonly Problem[] = [];
  let description: Description | undefined;
  if (yaml.value !== undefined) {
    const checked = checkDescription(yaml);
    problems.push(...checked.problems);
    description = checked.description;
    if (typeof yaml.value === 'object' && !Array.isArray(yaml.value)) {
      const relations = checkRelations(yaml, readLoosely(yaml.value));
      problems.push(...relations.problems);
      warnings = relations.warnings;
    }
  }
  if (problems.length > 0 || description === undefined) {
    throw new ConfigError('BUNDLE_INVALID', sorted(problems, source));
  }
  return {file: source.file, description, warnings: sorted(warnings, source)};
}

function sorted(problems: readonly Problem[], source: SourceText): readonly ConfigIssue[] {
  return [...problems]
    .sort((a, b) => a.span.offset - b.span.offset)
    .map((problem) => source.toIssue(problem, source.text));
}
