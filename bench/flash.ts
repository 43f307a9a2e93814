import {spawn} from 'node:child_process';
import {mkdtemp, readdir, rm, stat, truncate, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {flash} from '../api/index.ts';
import {SlowDevice} from './slow-device.ts';

/** Times of writing one image to one loop device, in two ways by turns. */
export interface FlashFigures {
  readonly image_bytes: number;
  readonly written_bytes: number;
  /** Medians. `dd bs=4M oflag=direct conv=fsync`, the whole image. */
  readonly dd_seconds: number;
  readonly flash_write_seconds: number;
  readonly flash_verify_seconds: number;
  /** How many times as fast writing is, and writing with verifying against dd, which does not verify. */
  readonly write_ratio: number;
  readonly write_and_verify_ratio: number;
  /** Against dd that is followed by reading the same bytes back (cmp past the cache). */
  readonly verified_ratio: number;
  readonly runs: number;
  readonly megabytes_per_second?: number;
}

const runs = 3;

/**
 * Writes the image of the last build in `target` with dd and with flash, by turns, to a loop device (needs root).
 * Each is charged until its bytes are on the medium.
 */
export async function benchFlash(options: {
  readonly target: string;
  /** What the device takes and gives at most, in megabytes per second; without it, what the disk of this machine does. */
  readonly rate?: number | undefined;
  readonly log: (line: string) => void;
}): Promise<FlashFigures> {
  const {target, rate, log} = options;
  const name = (await readdir(target)).find((file) => file.endsWith('.img'));
  if (name === undefined)
    throw new Error(`there is no image in ${target}: hypriotkit build --target ${target}`);
  const image = join(target, name);
  const {size} = await stat(image);
  const folder = await mkdtemp(join(process.env['BENCH_FOLDER'] ?? tmpdir(), 'hypriotkit-bench-'));
  const file = join(folder, 'card');
  await writeFile(file, '');
  await truncate(file, size);
  const device = (await run('losetup', '--find', '--show', file)).trim();
  try {
    // Once over, so that neither has to ask the file system of the host for room.
    await run(
      'dd',
      'if=/dev/urandom',
      `of=${device}`,
      'bs=4M',
      `count=${size / 4 / 1024 ** 2}`,
      'oflag=direct',
      'status=none',
    );
    await run('cat', image);
    await using _slow = rate === undefined ? undefined : await SlowDevice.limit(device, rate);
    const dd: number[] = [];
    const compare: number[] = [];
    const write: number[] = [];
    const verify: number[] = [];
    let writtenBytes = 0;
    for (let turn = 1; turn <= runs; turn++) {
      dd.push(
        await seconds(
          'dd',
          `if=${image}`,
          `of=${device}`,
          'bs=4M',
          'oflag=direct',
          'conv=fsync',
          'status=none',
        ),
      );
      compare.push(
        await seconds('sh', '-c', `dd if=${device} bs=4M iflag=direct status=none | cmp - ${image}`),
      );
      const result = await flash({image, device, allowNonRemovable: true});
      write.push(result.writeMs / 1000);
      verify.push(result.verifyMs / 1000);
      writtenBytes = result.writtenBytes;
      log(
        `turn ${turn}: dd ${dd.at(-1)?.toFixed(1)} s, flash ${write.at(-1)?.toFixed(1)} s and ${verify.at(-1)?.toFixed(1)} s to verify`,
      );
    }
    const [ddSeconds, compareSeconds, writeSeconds, verifySeconds] = [
      median(dd),
      median(compare),
      median(write),
      median(verify),
    ];
    return {
      image_bytes: size,
      written_bytes: writtenBytes,
      dd_seconds: round(ddSeconds),
      flash_write_seconds: round(writeSeconds),
      flash_verify_seconds: round(verifySeconds),
      write_ratio: round(ddSeconds / writeSeconds),
      write_and_verify_ratio: round(ddSeconds / (writeSeconds + verifySeconds)),
      verified_ratio: round((ddSeconds + compareSeconds) / (writeSeconds + verifySeconds)),
      runs,
      ...(rate !== undefined && {megabytes_per_second: rate}),
    };
  } finally {
    await run('losetup', '--detach', device);
    await rm(folder, {recursive: true, force: true});
  }
}

function run(program: string, ...args: string[]): Promise<string> {
  const child = spawn(program, args, {stdio: ['ignore', 'pipe', 'inherit']});
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => {
    if (text.length < 1000) text += chunk.toString('latin1');
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (status) => {
      if (status === 0) resolve(text);
      else reject(new Error(`${program} ended with status ${status ?? 'none'}`));
    });
  });
}

async function seconds(program: string, ...args: string[]): Promise<number> {
  const start = performance.now();
  await run(program, ...args);
  return (performance.now() - start) / 1000;
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
