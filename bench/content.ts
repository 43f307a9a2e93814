import {execFileSync, spawn} from 'node:child_process';
import {once} from 'node:events';
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import {randomFillSync} from 'node:crypto';
import {createServer} from 'node:http';
import {createReadStream} from 'node:fs';
import type {AddressInfo} from 'node:net';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {benchDownload} from './download.ts';

/** Figures of `content create`: whole commands, start-up included. */
export interface ContentFigures {
  /** `cp` of the same bytes to the same disk, and a sync. */
  readonly cp_mb_per_s: number;
  readonly fill_mb_per_s: number;
  readonly fill_part_of_cp: number;
  /** Of the command, and of its largest child (xz). */
  readonly fill_peak_mb: number;
  readonly small_files_per_s: number;
  readonly xz_base_mb_per_s: number;
  readonly warm_cache_received_bytes: number;
  /** 200 MB from a server on this machine, through the cache; how many times as fast as curl by turns with it. */
  readonly download_mb_per_s: number;
  readonly download_part_of_curl: number;
}

const root = fileURLToPath(new URL('../', import.meta.url));
const MiB = 1024 ** 2;
/** One of them is larger than what 31 bits can count. */
const contentMebibytes = [2560, 1024, 512];
const env = {
  ...process.env,
  PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`,
  SOURCE_DATE_EPOCH: '1700000000',
};

/**
 * Makes a base image of 3 GiB like those of Kiwix Offspot (random content in its root partition), and puts 4 GiB of local
 * files, then 1000 files of 8 KiB from a tar, then 64 MiB from a server through the cache into images of it. Needs 20 GB.
 */
export async function benchContent(options: {readonly log: (line: string) => void}): Promise<ContentFigures> {
  const folder = mkdtempSync(join(process.env['BENCH_FOLDER'] ?? tmpdir(), 'hypriotkit-bench-content-'));
  try {
    options.log('compiling');
    execFileSync('npx', ['tsc', '-p', 'tsconfig.build.json'], {cwd: root, stdio: 'ignore'});
    options.log('downloads');
    const download = await benchDownload(options);
    options.log(`${download.ratio} of curl's rate`);
    options.log('making a base image and 4 GiB of content');
    makeBase(folder);
    mkdirSync(join(folder, 'content'));
    for (const [index, mebibytes] of contentMebibytes.entries())
      writeRandom(join(folder, 'content', `zim${index}`), mebibytes);
    execFileSync('sync');
    options.log('cp');
    const cp = seconds(() => {
      execFileSync('cp', ['-r', '--reflink=never', join(folder, 'content'), join(folder, 'copy')]);
      execFileSync('sync', ['-f', folder]);
    });
    rmSync(join(folder, 'copy'), {recursive: true});
    options.log('4 GiB');
    const files = contentMebibytes
      .map((_, index) => `- {url: ./content/zim${index}, to: /data/zim${index}}`)
      .join('\n');
    const large = await create(folder, `base: ./base.img\nfiles:\n${files}\n`);
    // As after cp: what is in memory only is not there yet. The unpacked base is flushed with it.
    const flush = seconds(() => execFileSync('sync', ['-f', folder]));
    options.log(
      `cp in ${cp} s; filled in ${large.fill} s, checked in ${large.verify} s, flushed in ${flush} s, ${large.peakKb} kB at most`,
    );
    rmSync(join(folder, 'content'), {recursive: true});
    options.log('1000 small files');
    makeSmall(folder);
    const small = await create(
      folder,
      'base: ./base.img\nfiles: [{url: ./small.tar, to: /data/small, via: tar}]\n',
    );
    options.log(`filled in ${small.fill} s, checked in ${small.verify} s`);
    options.log('an .xz base');
    execFileSync('xz', ['-0', '-T0', '--block-size=16MiB', '-k', join(folder, 'base.img')]);
    const xz = await create(folder, 'base: ./base.img.xz\n');
    options.log(`unpacked in ${xz.unpack} s`);
    options.log('the cache');
    writeRandom(join(folder, 'remote'), 64);
    const cached = await createTwice(folder);
    const megabytes = (bytes: number, time: number) => Math.round(bytes / 1e6 / time);
    const fillRate = megabytes(4096 * MiB, large.fill + large.verify + flush);
    const cpRate = megabytes(4096 * MiB, cp);
    return {
      cp_mb_per_s: cpRate,
      fill_mb_per_s: fillRate,
      fill_part_of_cp: Number((fillRate / cpRate).toFixed(2)),
      fill_peak_mb: Math.round(large.peakKb / 1024),
      small_files_per_s: Math.round(1000 / (small.fill + small.verify)),
      xz_base_mb_per_s: megabytes(statSync(join(folder, 'base.img')).size, xz.unpack),
      warm_cache_received_bytes: cached,
      download_mb_per_s: megabytes(download.bytes, download.download_seconds),
      download_part_of_curl: download.ratio,
    };
  } finally {
    rmSync(folder, {recursive: true, force: true});
  }
}

interface Run {
  readonly unpack: number;
  readonly fill: number;
  readonly verify: number;
  readonly peakKb: number;
  readonly receivedBytes: number;
}

async function create(folder: string, text: string, more: readonly string[] = []): Promise<Run> {
  writeFileSync(join(folder, 'image.yaml'), text);
  const command = [
    join(root, 'dist/cli/image-creator.js'),
    join(folder, 'image.yaml'),
    join(folder, 'out.img'),
    '-X',
    '--json',
    ...more,
  ];
  const child = spawn('/usr/bin/time', ['-f', '%M', 'node', ...command], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [out, err] = [child.stdout, child.stderr].map((stream) => {
    const pieces: string[] = [];
    stream.setEncoding('utf8').on('data', (piece: string) => pieces.push(piece));
    return pieces;
  });
  const [status] = (await once(child, 'close')) as [number];
  if (status !== 0) throw new Error(`it failed: ${err?.join('') ?? ''}`);
  const events = (out ?? [])
    .join('')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  const time = (phase: string) =>
    Number(
      events.find((event) => event['type'] === 'content-phase-finished' && event['phase'] === phase)?.[
        'durationMs'
      ],
    ) / 1000;
  return {
    unpack: time('unpack'),
    fill: time('fill'),
    verify: time('verify'),
    peakKb: Number((err ?? []).join('').trim().split('\n').at(-1)),
    receivedBytes: Number(events.at(-1)?.['receivedBytes']),
  };
}

async function createTwice(folder: string): Promise<number> {
  const size = statSync(join(folder, 'remote')).size;
  const server = createServer((request, response) => {
    const headers = {etag: '"1"', 'content-length': size};
    if (request.headers['if-none-match'] === '"1"') response.writeHead(304).end();
    else if (request.method === 'HEAD') response.writeHead(200, headers).end();
    else createReadStream(join(folder, 'remote')).pipe(response.writeHead(200, headers));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    const text = `base: ./base.img\nfiles: [{url: "http://127.0.0.1:${(server.address() as AddressInfo).port}/x", to: /data/x}]\n`;
    await create(folder, text, ['--cache-dir', join(folder, 'cache')]);
    return (await create(folder, text, ['--cache-dir', join(folder, 'cache')])).receivedBytes;
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

/** Boot, root (2.7 GiB, a third of it random) and data partition. */
function makeBase(folder: string): void {
  const image = join(folder, 'base.img');
  const part = join(folder, 'part');
  const sectors = [16_384, 1_048_576, 5_505_024, 524_288];
  const starts = [16_384, 16_384 + 1_048_576, 16_384 + 1_048_576 + 5_505_024];
  const mbr = Buffer.alloc(512);
  for (const [index, start] of starts.entries()) {
    mbr.writeUInt8(index === 0 ? 0x0c : 0x83, 446 + index * 16 + 4);
    mbr.writeUInt32LE(start, 446 + index * 16 + 8);
    mbr.writeUInt32LE(sectors[index + 1] ?? 0, 446 + index * 16 + 12);
  }
  mbr.writeUInt16BE(0x55aa, 510);
  const root = Buffer.alloc(8 * MiB);
  const file = openSync(image, 'w');
  writeSync(file, mbr, 0, 512, 0);
  for (let index = 0; index < 110; index++)
    writeSync(file, randomFillSync(root), 0, root.length, (starts[1] ?? 0) * 512 + index * root.length);
  execFileSync(
    'mke2fs',
    ['-q', '-F', '-t', 'ext4', '-T', 'largefile', '-m', '1', '-N', '4096', part, '256M'],
    {env, stdio: 'ignore'},
  );
  execFileSync('dd', [
    `if=${part}`,
    `of=${image}`,
    'bs=1M',
    `seek=${((starts[2] ?? 0) * 512) / MiB}`,
    'conv=notrunc,sparse',
    'status=none',
  ]);
  execFileSync('truncate', ['-s', String(((starts[2] ?? 0) + 524_288) * 512), image]);
  closeSync(file);
  rmSync(part);
}

function makeSmall(folder: string): void {
  const small = join(folder, 'small');
  mkdirSync(small);
  for (let index = 0; index < 1000; index++)
    writeFileSync(join(small, `file-${index}`), randomFillSync(Buffer.alloc(8192)));
  execFileSync('tar', ['-cf', join(folder, 'small.tar'), '-C', small, '.']);
}

function writeRandom(path: string, mebibytes: number): void {
  const file = openSync(path, 'w');
  const piece = Buffer.alloc(8 * MiB);
  for (let done = 0; done < mebibytes; done += 8) writeSync(file, randomFillSync(piece));
  closeSync(file);
}

function seconds(work: () => void): number {
  const started = performance.now();
  work();
  return (performance.now() - started) / 1000;
}
