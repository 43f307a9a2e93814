import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {readFileSync} from 'node:fs';
import {mkdtemp, rm, stat} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';

/** Times of whole commands, start included, and the most memory that each had. */
export interface OtaFigures {
  readonly rootfs_bytes: number;
  readonly artifact_bytes: number;
  readonly build: Measured;
  /** What compressing the same bytes takes at least: `tar | zstd -9` on all cores. */
  readonly zstd_seconds: number;
  readonly verify: Measured;
  readonly verify_bytes_per_second: number;
  readonly deploy: Measured;
}

export interface Measured {
  readonly seconds: number;
  readonly peak_memory_bytes: number;
}

const launcher = fileURLToPath(new URL('../hypriotkit', import.meta.url));

/**
 * Makes an artifact of a root file system, verifies it and deploys it again, each with the installed command.
 * `rootfs` is a folder; a Debian of 500 MB and 13 000 entries is what the figures of the reference were taken on.
 */
export async function benchOta(options: {
  readonly rootfs: string | undefined;
  readonly log: (line: string) => void;
}): Promise<OtaFigures> {
  const {rootfs, log} = options;
  if (rootfs === undefined)
    throw new Error('give the folder of a root file system: npm run bench -- ota ./rootfs');
  const work = await mkdtemp(join(tmpdir(), 'hypriotkit-bench-'));
  try {
    // Compiles what is not compiled yet, and reads the root file system into the page cache.
    await run([launcher, '--version']);
    await run(['tar', '-cf', join(work, 'rootfs.tar'), '-C', rootfs, '.']);
    const rootfsBytes = (await stat(join(work, 'rootfs.tar'))).size;
    const artifact = join(work, 'main.zip');
    const measure = async (name: string, args: readonly string[]) => {
      const measured = await run([launcher, 'ota', ...args]);
      log(`${name}: ${measured.seconds} s`);
      return measured;
    };
    const build = await measure('build', ['build', '--rootfs', rootfs, '--ecu-id', 'main', '-o', artifact]);
    const zstd = await run([
      'zstd',
      '-9',
      '-T0',
      '-q',
      join(work, 'rootfs.tar'),
      '-o',
      join(work, 'rootfs.tar.zst'),
    ]);
    const artifactBytes = (await stat(artifact)).size;
    const verify = await measure('verify-resources', ['verify-resources', artifact]);
    const target = join(work, 'rootfs');
    const deploy = await measure('deploy-image', [
      'deploy-image',
      '-i',
      artifact,
      '--ecu-id',
      'main',
      '-o',
      target,
    ]);
    return {
      rootfs_bytes: rootfsBytes,
      artifact_bytes: artifactBytes,
      build,
      zstd_seconds: zstd.seconds,
      verify,
      verify_bytes_per_second: Math.round(artifactBytes / verify.seconds),
      deploy,
    };
  } finally {
    await rm(work, {recursive: true, force: true});
  }
}

async function run([program = '', ...args]: readonly string[]): Promise<Measured> {
  const start = performance.now();
  const child = spawn(program, args, {stdio: ['ignore', 'ignore', 'inherit']});
  let peak = 0;
  const sampler = setInterval(() => (peak = Math.max(peak, peakMemory(child.pid))), 20);
  try {
    const [status] = (await once(child, 'close')) as [number | null];
    if (status !== 0) throw new Error(`${program} ${args.join(' ')} ended with ${status}`);
  } finally {
    clearInterval(sampler);
  }
  return {seconds: Math.round(performance.now() - start) / 1000, peak_memory_bytes: peak};
}

/** The high-water mark that the kernel keeps. */
function peakMemory(pid: number | undefined): number {
  try {
    return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid ?? ''}/status`, 'utf8'))?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}
