import {benchBuild} from './build.ts';
import {benchChanges} from './changes.ts';
import {benchDownload} from './download.ts';
import {benchContent} from './content.ts';
import {benchMatrix} from './matrix.ts';
import {benchMedia} from './media.ts';
import {benchFlash} from './flash.ts';
import {benchOta} from './ota.ts';
import {benchRootFs} from './rootfs.ts';
import {benchTeam} from './team.ts';
import {benchSwarm} from './swarm.ts';
import {untilInterrupted} from './until-interrupted.ts';

/**
 * usage: npm run bench -- [build|rootfs] [--no-boot] [--json]      both by default
 *        npm run bench -- changes [--json]      another host name, user, password and key, with the time of each phase
 *        npm run bench -- matrix [VARIANTS] [--json]      default: 20; needs docker-registry
 *        npm run bench -- media [--json]
 *        npm run bench -- content [--json]              needs 20 GB in BENCH_FOLDER or the temporary folder
 *        npm run bench -- download [--json]      needs curl
 *        npm run bench -- flash [TARGET] [--rate=MB/S] [--json]      the image in TARGET (default: out), to a loop device,
 *                                                                    which is as slow as a card with --rate; needs root
 *        npm run bench -- swarm [COMPONENTS] [--json]      default: root_fs; on a private engine; needs root
 *        npm run bench -- ota <root file system> [--json]
 *        npm run bench -- team [TARGET] [--json]      the image in TARGET (default: out), through a registry on loopback; needs docker-registry and curl
 *
 * Prints progress to stderr and the figures to stdout; with --json the last line is one JSON object.
 */
async function main(args: readonly string[], signal: AbortSignal): Promise<void> {
  const json = args.includes('--json');
  const [what = 'all', argument] = args.filter((one) => !one.startsWith('--'));
  const log = (line: string) => process.stderr.write(`${line}\n`);
  const benchmarks: Readonly<Record<string, () => Promise<object>>> = {
    build: () => benchBuild({boot: !args.includes('--no-boot'), log, signal}),
    changes: () => benchChanges({log, signal}),
    rootfs: () => benchRootFs({log, signal}),
    flash: () => benchFlash({target: argument ?? 'out', rate: numberAfter(args, '--rate='), log}),
    ota: () => benchOta({rootfs: argument, log}),
    matrix: () => benchMatrix({variants: Number(argument ?? 20), log, signal}),
    media: () => benchMedia({log}),
    swarm: () => benchSwarm({components: (argument ?? 'root_fs').split(','), log, signal}),
    content: () => benchContent({log}),
    download: () => benchDownload({log}),
    team: () => benchTeam({target: argument ?? 'out', log}),
    all: async () => ({
      ...(await benchBuild({boot: !args.includes('--no-boot'), log, signal})),
      ...(await benchRootFs({log, signal})),
    }),
  };
  const run = benchmarks[what];
  if (run === undefined) {
    throw new Error(`there is no benchmark "${what}"; there are: ${Object.keys(benchmarks).join(', ')}`);
  }
  const figures = await run();
  process.stdout.write(`${JSON.stringify(figures, undefined, json ? undefined : 2)}\n`);
}

function numberAfter(args: readonly string[], option: string): number | undefined {
  const text = args.find((one) => one.startsWith(option))?.slice(option.length);
  return text === undefined ? undefined : Number(text);
}

await untilInterrupted((signal) => main(process.argv.slice(2), signal));
