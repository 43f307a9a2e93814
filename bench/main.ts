import {benchBuild} from './build.ts';
import {benchMedia} from './media.ts';
import {benchFlash} from './flash.ts';
import {benchRootFs} from './rootfs.ts';

/**
 * usage: npm run bench -- [build] [--no-boot] [--json]
 *        npm run bench -- rootfs [--json]
 *        npm run bench -- media [--json]
 *        npm run bench -- flash [TARGET] [--json]      the image in TARGET (default: out), to a loop device; needs root
 *
 * Prints progress to stderr and the figures to stdout; with --json the last line is one JSON object.
 */
async function main(args: readonly string[]): Promise<void> {
  const json = args.includes('--json');
  const [what = 'build', target = 'out'] = args.filter((argument) => !argument.startsWith('--'));
  const log = (line: string) => process.stderr.write(`${line}\n`);
  const benchmarks: Readonly<Record<string, () => Promise<object>>> = {
    build: () => benchBuild({boot: !args.includes('--no-boot'), log}),
    rootfs: () => benchRootFs({log}),
    media: () => benchMedia({log}),
    flash: () => benchFlash({target, log}),
  };
  const run = benchmarks[what];
  if (run === undefined) {
    throw new Error(`there is no benchmark "${what}"; there are: ${Object.keys(benchmarks).join(', ')}`);
  }
  const figures = await run();
  process.stdout.write(`${JSON.stringify(figures, undefined, json ? undefined : 2)}\n`);
}

await main(process.argv.slice(2));
