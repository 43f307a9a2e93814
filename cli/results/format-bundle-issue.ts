import type {ChalkInstance} from 'chalk';
import {
  formatExcerpt,
  formatPosition,
  formatStatement,
  type ConfigIssue,
} from '../../configs/config-error.ts';

/** An issue of a bundle description: the update agent's own sentence, then where it is. */
export function formatBundleIssue(issue: ConfigIssue, colors: ChalkInstance): string {
  const place = `  ${colors.dim('at')} ${formatPosition(issue)}`;
  return [`Error: error validating bundle: ${formatStatement(issue)}`, place, ...formatExcerpt(issue)].join(
    '\n',
  );
}
