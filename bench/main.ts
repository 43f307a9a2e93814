import {benchBuild} from './build.ts';

/**
 * usage: npm run bench -- [build] [--no-boot] [--json]
 *
 * Prints progress to stderr and the figures to stdout; with --json the last line is one JSON object.
 */
async function main(args: readonly string[]): Promise<void> {
  const json = args.includes('--json');
  const [what = 'build'] = args.filter((argument) => !argument.startsWith('--'));
  if (what !== 'build') throw new Error(`there is no benchmark "${what}"; there is: build`);
  const figures = await benchBuild({
    boot: !args.includes('--no-boot'),
    log: (line) => process.stderr.write(`${line}\n`),
  });
  process.stdout.write(`${JSON.stringify(figures, undefined, json ? undefined : 2)}\n`);
}

await main(process.argv.slice(2));
