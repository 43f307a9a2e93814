import {execFileSync, spawn} from 'node:child_process';
import {once} from 'node:events';
import {createHash} from 'node:crypto';
import {mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {buildLegacyImage} from '../api/ota/legacy/build-legacy.ts';

/** Times of the whole command, start-up included, and the most memory that its process had. */
export interface MediaFigures {
  readonly tar_seconds: number;
  readonly tar_peak_mb: number;
  readonly tgz_seconds: number;
  readonly tgz_peak_mb: number;
  readonly small_files_seconds: number;
  readonly small_files_peak_mb: number;
}

const root = fileURLToPath(new URL('../', import.meta.url));
const kibibyte = 1024;

/**
 * Packs two legacy images of 500 MB each (5000 files of 100 KB; half of the files are in both) from .tar and from
 * .tgz, then one image of 100 000 files of 200 bytes from .tar. No file is in its compressed form. The command runs compiled, as users run it.
 */
export async function benchMedia(options: {readonly log: (line: string) => void}): Promise<MediaFigures> {
  const folder = mkdtempSync(join(tmpdir(), 'hypriotkit-bench-media-'));
  try {
    options.log('compiling, and making the images');
    execFileSync(join(root, 'hypriotkit'), ['--version'], {stdio: 'ignore'});
    const name = [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-days',
      '9',
      '-subj',
      '/CN=bench',
    ];
    execFileSync('openssl', [...name, '-keyout', join(folder, 'key.pem'), '-out', join(folder, 'cert.pem')], {
      stdio: 'ignore',
    });
    await makeImage(folder, 'p1', 5000, 100 * kibibyte, (index) => index);
    await makeImage(folder, 'p2', 5000, 100 * kibibyte, (index) => index + 2500);
    await makeImage(folder, 'small', 100_000, 200, (index) => index);
    const images = (ending: string) => [
      '--image',
      `p1:${folder}/p1.${ending}`,
      '--image',
      `p2:${folder}/p2.${ending}`,
    ];
    options.log('packing');
    const tar = await run(folder, images('tar'));
    const tgz = await run(folder, images('tgz'));
    const small = await run(folder, ['--image', `s:${folder}/small.tar`]);
    return {
      tar_seconds: tar.seconds,
      tar_peak_mb: tar.peakMb,
      tgz_seconds: tgz.seconds,
      tgz_peak_mb: tgz.peakMb,
      small_files_seconds: small.seconds,
      small_files_peak_mb: small.peakMb,
    };
  } finally {
    rmSync(folder, {recursive: true, force: true});
  }
}

/** Contents come from the number of a file: half random, half text, as programs are. */
async function makeImage(
  folder: string,
  name: string,
  files: number,
  size: number,
  seed: (index: number) => number,
) {
  const rootfs = join(folder, `${name}-rootfs`);
  for (let index = 0; index < files; index++) {
    const place = join(rootfs, String(index % 100));
    if (index < 100) mkdirSync(place, {recursive: true});
    const block = createHash('shake256', {outputLength: Math.ceil(size * 0.85)})
      .update(String(seed(index)))
      .digest();
    writeFileSync(
      join(place, `${index}.bin`),
      Buffer.concat([block, Buffer.alloc(size - block.length, 'text ')]),
    );
  }
  const output = join(folder, name);
  await buildLegacyImage({
    rootfs,
    output,
    signKey: join(folder, 'key.pem'),
    certificate: join(folder, 'cert.pem'),
    // Packing is what is measured; compressed files would only be decompressed to check them.
    compressFromBytes: Infinity,
  });
  rmSync(rootfs, {recursive: true});
  execFileSync('tar', ['-cf', join(folder, `${name}.tar`), '-C', output, '.']);
  execFileSync('sh', [
    '-c',
    'gzip -1 <"$1" >"$2"',
    'sh',
    join(folder, `${name}.tar`),
    join(folder, `${name}.tgz`),
  ]);
  rmSync(output, {recursive: true});
}

async function run(folder: string, images: readonly string[]): Promise<{seconds: number; peakMb: number}> {
  const output = join(folder, 'out.tar');
  const started = performance.now();
  const child = spawn(join(root, 'hypriotkit'), ['ota', 'pack-offline-bundle', ...images, '-o', output], {
    cwd: root,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  let peakKb = 0;
  const timer = setInterval(() => {
    try {
      const [, kilobytes] =
        /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid ?? 0}/status`, 'utf8')) ?? [];
      peakKb = Math.max(peakKb, Number(kilobytes ?? 0));
    } catch {
      // It has ended.
    }
  }, 20);
  const [code] = (await once(child, 'exit')) as [number | null];
  clearInterval(timer);
  if (code !== 0) throw new Error(`packing ended with ${code ?? 'a signal'}`);
  const seconds = Math.round((performance.now() - started) / 10) / 100;
  rmSync(output);
  return {seconds, peakMb: Math.round(peakKb / kibibyte)};
}
