import {spawn} from 'node:child_process';
import {mkdtemp, readFile, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import type * as caches from '../api/cache/download-cache.ts';
import type * as downloads from '../api/download/download.ts';
import {hashFile} from '../api/cache/hash-file.ts';
import {packageRoot} from '../configs/package-root.ts';

/** Times of fetching one file from this machine, in two ways by turns. */
export interface DownloadFigures {
  readonly bytes: number;
  /** Medians. `curl --silent --output`: it neither hashes nor keeps a record. */
  readonly curl_seconds: number;
  readonly download_seconds: number;
  /** How many times as fast as curl; as fast as curl followed by sha256sum. */
  readonly ratio: number;
  readonly hashed_ratio: number;
  /** Content bytes that a second run fetches, and how long it takes: the first one reads the file back. */
  readonly second_run_bytes: number;
  readonly second_run_seconds: number;
  readonly third_run_seconds: number;
  /** The most memory that the process had, with the loader of the benchmark. */
  readonly peak_memory_bytes: number;
  readonly runs: number;
}

const bytes = 200 * 1000 * 1000;
const runs = 9;

/** Downloads 200 MB from a server on this machine with curl and through the cache, by turns. */
export async function benchDownload({log}: {readonly log: (line: string) => void}): Promise<DownloadFigures> {
  const {download, openCache} = await loadCompiled(log);
  const folder = await mkdtemp(join(process.env['BENCH_FOLDER'] ?? tmpdir(), 'hypriotkit-bench-'));
  const script = fileURLToPath(new URL('download-server.ts', import.meta.url));
  const server = spawn(process.execPath, ['--import', 'tsx', script, String(bytes)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    const origin = await new Promise<string>((resolve) =>
      server.stdout.once('data', (line: Buffer) => resolve(line.toString().trim())),
    );
    const scratch = folder;
    const cache = await openCache({folder: join(folder, 'cache')});
    const curl: number[] = [];
    const hashed: number[] = [];
    const own: number[] = [];
    for (let turn = 0; turn <= runs; turn++) {
      const target = join(folder, 'curl');
      const curlSeconds = await seconds(() =>
        run('curl', '--silent', '--output', target, `${origin}/${turn}`),
      );
      const hashSeconds = await seconds(() => run('sha256sum', target));
      let sha256: string | undefined;
      const url = `${origin}/${turn}`;
      const ownSeconds = await seconds(async () => {
        const [file] = await download([{id: 'it', url}], {cache, scratch});
        sha256 = file?.sha256;
        await file?.release();
      });
      if (sha256 !== (await hashFile(target))) throw new Error('the two downloads differ');
      if (turn > 0) await cache?.remove({kind: 'file', source: url});
      await rm(target);
      log(
        `turn ${turn}: curl ${curlSeconds.toFixed(2)} s, sha256sum ${hashSeconds.toFixed(2)} s, download ${ownSeconds.toFixed(2)} s`,
      );
      // The first turn is for the kernel and the compiler.
      if (turn === 0) continue;
      curl.push(curlSeconds);
      hashed.push(curlSeconds + hashSeconds);
      own.push(ownSeconds);
    }
    let received = 0;
    const again = () =>
      seconds(async () => {
        const [file] = await download([{id: 'it', url: `${origin}/0`}], {cache, scratch});
        received += file?.receivedBytes ?? 0;
        await file?.release();
      });
    const [second, third] = [await again(), await again()];
    return {
      bytes,
      curl_seconds: round(median(curl)),
      download_seconds: round(median(own)),
      ratio: round(median(curl) / median(own)),
      hashed_ratio: round(median(hashed) / median(own)),
      second_run_bytes: received,
      second_run_seconds: round(second),
      third_run_seconds: round(third),
      peak_memory_bytes: await peakMemory(),
      runs,
    };
  } finally {
    server.kill();
    await rm(folder, {recursive: true, force: true});
  }
}

/** What users run: from the sources, threads would spend more on their loader than on the download. */
async function loadCompiled(log: (line: string) => void) {
  log('compiling into dist');
  const root = packageRoot();
  await run(
    process.execPath,
    join(root, 'node_modules/typescript/bin/tsc'),
    '-p',
    join(root, 'tsconfig.build.json'),
  );
  const load = (path: string): Promise<unknown> =>
    import(new URL(`../dist/api/${path}`, import.meta.url).href);
  const {download} = (await load('download/download.js')) as typeof downloads;
  const {openCache} = (await load('cache/download-cache.js')) as typeof caches;
  return {download, openCache};
}

async function peakMemory(): Promise<number> {
  const status = await readFile('/proc/self/status', 'utf8');
  return Number(/^VmHWM:\s*(\d+) kB/m.exec(status)?.[1]) * 1024;
}

async function seconds(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}

function run(program: string, ...args: string[]): Promise<void> {
  const child = spawn(program, args, {stdio: ['ignore', 'ignore', 'inherit']});
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (status) => {
      if (status === 0) resolve();
      else reject(new Error(`${program} ended with status ${status ?? 'none'}`));
    });
  });
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
