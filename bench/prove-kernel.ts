import {execFile} from 'node:child_process';
import {copyFile, mkdir, mkdtemp, readdir, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {promisify} from 'node:util';
import {bootImage, build, destroyVolume, type BuildResult} from '../api/index.ts';
import {packageRoot} from '../configs/package-root.ts';
import {GitServer, ScratchRepository} from '../test/git/scratch-repository.ts';
import {printBoot} from './print-boot.ts';
import {untilInterrupted} from './until-interrupted.ts';

const run = promisify(execFile);

const defconfig = 'raspi3_small_defconfig';

/** What the kernel of the repository does not have by itself: the configuration must reach the compiler. */
const kernelConfig = ['CONFIG_IKCONFIG=y', 'CONFIG_IKCONFIG_PROC=y'];

/**
 * usage: npm run prove:kernel [-- --again]
 *
 * Takes Debian's kernel source (linux-source, by apt), puts it into a git repository with a small configuration for the
 * Raspberry Pi 3, serves that on loopback, builds a card image with a kernel compiled from it, and boots it to a login.
 * With --again the kernel is compiled a second time, without what the first time left in ccache, and compared. Exits
 * with 1 when the card does not boot, or the kernels differ. Needs apt, dpkg and git; some 8 GB below `TMPDIR`.
 */
async function main(args: readonly string[], signal: AbortSignal): Promise<void> {
  const log = (line: string) => process.stderr.write(`${line}\n`);
  const timed = async <T>(what: string, work: () => Promise<T>): Promise<T> => {
    const startedMs = Date.now();
    const result = await work();
    signal.throwIfAborted();
    process.stdout.write(`${what}: ${((Date.now() - startedMs) / 1000).toFixed(0)} s\n`);
    return result;
  };
  const scratch = await mkdtemp(join(tmpdir(), 'hypriotkit-prove-kernel-'));
  const repository = new ScratchRepository();
  const volumes = ['a', 'b', 'packages'].map((name) => `hypriotkit-prove-${process.pid}-${name}`);
  const [first = '', second = '', packageVolume = ''] = volumes;
  // Kernels in git's cache are of no use to anybody later.
  process.env['XDG_CACHE_HOME'] = join(scratch, 'cache');
  let server: GitServer | undefined;
  try {
    const source = await timed('the source, into a git repository', () =>
      commitSource(repository, scratch, signal),
    );
    log(`the source is ${source}`);
    server = await GitServer.start(repository);
    const {url} = server;
    const kernelIn = async (name: string, volume: string, ccache: boolean, components: string[]) => {
      const target = join(scratch, name);
      await mkdir(target);
      const kernel = {source: 'git', kernel_repo: url, branch: 'main', defconfig, ccache};
      const configs = {
        rpi_kernel: {...kernel, kernel_config: kernelConfig},
        rpi_sd_image: {compression: ['none']},
      };
      await writeFile(join(target, 'configs.json'), JSON.stringify(configs));
      return build({
        target,
        volume,
        packageVolume,
        components,
        signal,
        verbosity: 'info',
        onEvent: (event) => {
          if (event.type === 'step-finished')
            log(`  ${event.step}: ${(event.durationMs / 1000).toFixed(0)} s`);
        },
      });
    };
    const built = await timed('the image, with the kernel', () =>
      kernelIn('image', first, true, ['rpi_kernel', 'rpi_sd_image']),
    );
    const booted = await timed('the boot, with its checks', () =>
      bootImage({
        target: join(scratch, 'image'),
        volume: first,
        packageVolume,
        assertions: [
          'uname -r | grep -x "[0-9.]*-hypriotos"',
          'zcat /proc/config.gz | grep -x CONFIG_IKCONFIG=y',
        ],
        signal,
      }),
    );
    printBoot(booted);
    if (!args.includes('--again')) return;
    const again = await timed('the kernel again, without ccache', () =>
      kernelIn('again', second, false, ['rpi_kernel']),
    );
    compare(kernelOf(built), kernelOf(again));
  } finally {
    await server?.stop();
    repository.remove();
    await rm(scratch, {recursive: true, force: true});
    for (const volume of volumes)
      await destroyVolume({volume}).catch((error: unknown) => log(`${volume} is left: ${String(error)}`));
  }
}

/** @returns the name of the package with the source. */
async function commitSource(
  repository: ScratchRepository,
  scratch: string,
  signal: AbortSignal,
): Promise<string> {
  const {stdout} = await run('apt-cache', ['depends', '--important', 'linux-source'], {signal});
  const name = /linux-source-[0-9.]+/.exec(stdout)?.[0];
  if (name === undefined) throw new Error('apt knows no linux-source: apt-get update');
  await run('apt-get', ['download', '--quiet', name], {cwd: scratch, signal});
  const packageFile = (await readdir(scratch)).find((file) => file.endsWith('.deb'));
  await run('dpkg-deb', ['-x', join(scratch, packageFile ?? ''), join(scratch, 'package')], {signal});
  const archive = join(scratch, `package/usr/src/${name}.tar.xz`);
  await run('tar', ['-xf', archive, '--strip-components=1', '-C', repository.folder], {signal});
  const small = join(packageRoot(), 'bench', defconfig);
  await copyFile(small, join(repository.folder, 'arch/arm64/configs', defconfig));
  // A server that has packed everything before is quicker; this one is asked once.
  for (const setting of ['pack.window', 'pack.compression', 'core.compression'])
    repository.git('config', setting, '0');
  // Debian tells git to ignore all of it.
  repository.git('add', '--all', '--force');
  repository.git('commit', '--quiet', '--message=a kernel');
  await rm(join(scratch, 'package'), {recursive: true});
  return packageFile ?? '';
}

/** Digests of what the kernel step made. */
function kernelOf({artifacts}: BuildResult): ReadonlyMap<string, string> {
  return new Map(artifacts.filter(({step}) => step === 'rpi_kernel').map(({name, sha256}) => [name, sha256]));
}

function compare(first: ReadonlyMap<string, string>, second: ReadonlyMap<string, string>): void {
  for (const [name, sha256] of first) {
    const same = second.get(name) === sha256;
    process.stdout.write(`${same ? 'same     ' : 'DIFFERENT'} ${sha256} ${name}\n`);
    if (!same) process.exitCode = 1;
  }
}

await untilInterrupted((signal) => main(process.argv.slice(2), signal));
