import {execFileSync, spawn} from 'node:child_process';
import {once} from 'node:events';
import {randomBytes} from 'node:crypto';
import {writeFileSync} from 'node:fs';
import {mkdir, mkdtemp, rm, stat, writeFile} from 'node:fs/promises';
import {availableParallelism, loadavg, tmpdir} from 'node:os';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {Worker} from 'node:worker_threads';

/** What `/usr/bin/time` says of a whole command, its start included. */
export interface Measured {
  readonly seconds: number;
  /** User and system, of all threads and programs that it started. */
  readonly cpu_seconds: number;
  /** Of the largest process. */
  readonly peak_memory_mb: number;
}

export interface OtaFigures {
  readonly rootfs_bytes: number;
  readonly artifact_bytes: number;
  /** add-image, finalize, sign, and pack-artifact in one. */
  readonly build: Measured;
  /** The same bytes as a tar, on all cores. */
  readonly zstd_9: Measured;
  readonly verify: Measured;
  readonly deploy: Measured;
  readonly build_over_zstd: number;
  readonly build_over_zstd_cpu: number;
  /** `verify-resources` of an artifact of large files that cannot be compressed: reading and hashing, little else. */
  readonly verify_large: Measured;
  readonly verify_bytes_per_second: number;
  /** What all cores hash of bytes in memory in the same run: no verification is faster. */
  readonly sha256_bytes_per_second: number;
  readonly verify_over_sha256: number;
  /** Of one minute: above the number of cores, seconds say little, and their ratios a little more. */
  readonly load_before: number;
}

const launcher = fileURLToPath(new URL('../hypriotkit', import.meta.url));

/**
 * Makes a signed artifact of a root file system, verifies it and deploys it again, each with the installed command.
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
  const at = (name: string) => join(work, name);
  const measure = async (name: string, ...command: readonly string[]): Promise<Measured> => {
    const measured = await run(command);
    log(`${name}: ${measured.seconds} s, ${measured.cpu_seconds} s of CPU, ${measured.peak_memory_mb} MB`);
    return measured;
  };
  try {
    makeKeys(work);
    // Compiles what is not compiled yet, and reads the root file system into the page cache.
    await run([launcher, '--version']);
    await run(['tar', '-cf', at('rootfs.tar'), '-C', rootfs, '.']);
    const load = loadavg()[0] ?? 0;
    const sign = ['--ecu-id', 'main', '--sign-key', at('key'), '--sign-cert', at('pem')];
    const zstd = await measure(
      'zstd -9 -T0',
      'zstd',
      '-9',
      '-T0',
      '-q',
      at('rootfs.tar'),
      '-o',
      at('rootfs.tar.zst'),
    );
    const build = await measure(
      'build',
      launcher,
      'ota',
      'build',
      '--rootfs',
      rootfs,
      ...sign,
      '-o',
      at('main.zip'),
    );
    const artifactBytes = (await stat(at('main.zip'))).size;
    const verify = await measure('verify-resources', launcher, 'ota', 'verify-resources', at('main.zip'));
    const deploy = await measure(
      'deploy-image',
      ...[launcher, 'ota', 'deploy-image', '-i', at('main.zip'), '--ecu-id', 'main', '-o', at('rootfs')],
    );
    const large = at('large');
    await makeLargeFiles(large);
    await run([launcher, 'ota', 'build', '--rootfs', large, ...sign, '-o', at('large.zip')]);
    const verifyLarge = await measure(
      'verify-resources of large files',
      ...[launcher, 'ota', 'verify-resources', at('large.zip')],
    );
    const largeBytes = (await stat(at('large.zip'))).size;
    const hashed = await hashRate();
    log(`SHA-256 on all cores: ${Math.round(hashed / 1e6)} MB/s`);
    return {
      rootfs_bytes: (await stat(at('rootfs.tar'))).size,
      artifact_bytes: artifactBytes,
      build,
      zstd_9: zstd,
      verify,
      deploy,
      build_over_zstd: round(build.seconds / zstd.seconds),
      build_over_zstd_cpu: round(build.cpu_seconds / zstd.cpu_seconds),
      verify_large: verifyLarge,
      verify_bytes_per_second: Math.round(largeBytes / verifyLarge.seconds),
      sha256_bytes_per_second: Math.round(hashed),
      verify_over_sha256: round(largeBytes / verifyLarge.seconds / hashed),
      load_before: load,
    };
  } finally {
    await rm(work, {recursive: true, force: true});
  }
}

/** A root certificate and one to sign with, as devices take them. */
function makeKeys(folder: string): void {
  const openssl = (...args: readonly string[]) =>
    execFileSync('openssl', args, {cwd: folder, stdio: 'ignore'});
  const key = (name: string) => [
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-keyout',
    name,
  ];
  openssl('req', '-x509', ...key('ca.key'), '-subj', '/CN=bench root', '-out', 'ca.pem');
  openssl('req', ...key('key'), '-subj', '/CN=bench', '-out', 'csr');
  // With an extension: without one, openssl makes a certificate of version 1, which readers refuse.
  writeFileSync(join(folder, 'extensions'), 'basicConstraints=critical,CA:FALSE\n');
  const ca = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial'];
  openssl('x509', '-req', '-in', 'csr', ...ca, '-extfile', 'extensions', '-out', 'pem');
}

/** 24 files of 64 MB that neither compression nor equal content makes smaller. */
async function makeLargeFiles(folder: string): Promise<void> {
  await mkdir(folder);
  for (let index = 0; index < 24; index++) await writeFile(join(folder, `${index}`), randomBytes(64_000_000));
}

/** Bytes of 1 MiB blocks that one thread for each core hashes in a second. */
async function hashRate(): Promise<number> {
  const blocks = 2000;
  const script = `
    const {createHash} = require('node:crypto');
    const block = Buffer.alloc(1024 * 1024, 1), hash = createHash('sha256');
    for (let n = 0; n < ${blocks}; n++) hash.update(block);
    hash.digest();`;
  const threads = availableParallelism();
  const start = performance.now();
  await Promise.all(Array.from({length: threads}, () => once(new Worker(script, {eval: true}), 'exit')));
  return (threads * blocks * 1024 * 1024 * 1000) / (performance.now() - start);
}

async function run(command: readonly string[]): Promise<Measured> {
  const child = spawn('/usr/bin/time', ['-f', '%e %U %S %M', ...command], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr.on('data', (text: Buffer) => (said += text.toString()));
  const [status] = (await once(child, 'close')) as [number | null];
  if (status !== 0) throw new Error(`${command.join(' ')} ended with ${status}: ${said}`);
  const [seconds = 0, user = 0, system = 0, kibibytes = 0] = (said.trim().split('\n').at(-1) ?? '')
    .split(' ')
    .map(Number);
  return {
    seconds,
    cpu_seconds: round(user + system),
    peak_memory_mb: Math.round((kibibytes * 1024) / 1e6),
  };
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
