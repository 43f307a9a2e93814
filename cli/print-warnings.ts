import {formatConfigIssue, type ConfigIssue} from '../configs/config-error.ts';
import type {CliContext} from './context.ts';

/** Prints what is allowed but hardly meant, to stderr. */
export async function printWarnings(
  warnings: readonly (ConfigIssue | string)[],
  context: CliContext,
): Promise<void> {
  if (warnings.length === 0) return;
  const colors = await context.colors('stderr');
  for (const warning of warnings) {
    const text = typeof warning === 'string' ? warning : formatConfigIssue(warning);
    context.stderr.write(`${colors.yellow('warning:')} ${text}\n`);
  }
}
