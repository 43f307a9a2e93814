import type {BootResult} from '../api/index.ts';

/** Prints what was checked in a booted system; the exit status becomes 1 when something did not hold. */
export function printBoot({assertions, loginSeconds, passed}: BootResult): void {
  for (const {name, passed: holds, output} of assertions)
    process.stdout.write(`${holds ? 'ok    ' : 'FAILED'} ${name}${holds ? '' : `: ${output}`}\n`);
  process.stdout.write(`login after ${loginSeconds.toFixed(0)} s\n`);
  if (!passed) process.exitCode = 1;
}
