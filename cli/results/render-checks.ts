import type {ChalkInstance} from 'chalk';
import type {DoctorCheck} from '../../api/options.ts';
import type {Symbols} from '../symbols.ts';
import {padEnd, widthOf, wrap} from '../text.ts';

/** The checks for people; the fix of each on a line of its own, so that it can be copied. */
export function renderChecks(
  checks: readonly DoctorCheck[],
  width: number,
  colors: ChalkInstance,
  symbols: Symbols,
): string[] {
  const signs = {
    ok: colors.green(symbols.done),
    warning: colors.yellow(symbols.warning),
    failed: colors.red(symbols.failed),
  };
  const nameWidth = Math.max(0, ...checks.map(({name}) => widthOf(name)));
  const margin = ' '.repeat(nameWidth + 4);
  return checks.flatMap(({name, status, detail, fix}) => {
    const [first = '', ...rest] = wrap(detail, Math.max(20, width - margin.length));
    return [
      `${signs[status]} ${padEnd(name, nameWidth)}  ${first}`.trimEnd(),
      ...rest.map((line) => margin + line),
      ...(fix === undefined
        ? []
        : fix.split('\n').map((line, index) => fixLine(line, index, margin, colors))),
    ];
  });
}

function fixLine(line: string, index: number, margin: string, colors: ChalkInstance): string {
  return `${margin}${index === 0 ? colors.cyan('fix:') : '    '} ${line}`;
}
