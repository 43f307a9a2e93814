import type {ChalkInstance} from 'chalk';
import type {VariantResult} from '../../api/options.ts';
import {formatBytes, formatCount} from '../format.ts';
import type {Symbols} from '../symbols.ts';
import {padEnd, widthOf} from '../text.ts';

/** The variants of a matrix: how each ended, what it has, or why there is none. */
export function renderVariants(
  variants: readonly VariantResult[],
  {colors, symbols}: {readonly colors: ChalkInstance; readonly symbols: Symbols},
): string[] {
  const width = Math.max(...variants.map(({variant}) => widthOf(variant)));
  const rows = variants.map(({variant, outcome, artifacts, failures}) => {
    if (outcome === 'done') {
      const bytes = artifacts.reduce((sum, {sizeBytes}) => sum + sizeBytes, 0);
      const what = `${formatCount(artifacts.length, 'file')}, ${formatBytes(bytes)}`;
      return `${colors.green(symbols.done)} ${padEnd(variant, width)}  ${what}`;
    }
    // The line begins with the variant.
    const nameOf = (step: string) => step.replace(` [${variant}]`, '');
    const why = failures.map(({step, message}) => `${nameOf(step)}: ${message}`).join('; ');
    return `${colors.red(symbols.failed)} ${padEnd(variant, width)}  ${colors.red(why || 'not built')}`;
  });
  const failed = variants.filter(({outcome}) => outcome === 'failed').length;
  const total = formatCount(variants.length, 'variant');
  return ['', ...rows, failed === 0 ? total : `${failed} of ${total} failed`];
}
