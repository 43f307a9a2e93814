import type {BootResult} from '../../api/options.ts';
import type {CliContext} from '../context.ts';
import {formatDuration} from '../format.ts';
import {cleanLine} from '../text.ts';

/** What held and what did not; the output of a command only where it helps. */
export async function printBootResult(result: BootResult, context: CliContext): Promise<void> {
  const {stdout, symbols} = context;
  const colors = await context.colors('stdout');
  const times = result.boots.map(({loginSeconds}) => formatDuration(loginSeconds * 1000)).join(', then ');
  stdout.write(`${result.image}: login prompt after ${times}\n`);
  for (const {name, passed, output} of result.assertions) {
    stdout.write(`${passed ? colors.green(symbols.done) : colors.red(symbols.failed)} ${name}\n`);
    if (passed) continue;
    for (const line of output.trimEnd().split('\n')) stdout.write(`    ${cleanLine(line)}\n`);
  }
}
