import {execFile} from 'node:child_process';
import {createReadStream, existsSync} from 'node:fs';
import {mkdtemp, readdir, rm, stat} from 'node:fs/promises';
import {createServer} from 'node:http';
import type {AddressInfo} from 'node:net';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {pipeline} from 'node:stream/promises';
import {promisify} from 'node:util';
import {sha256File} from '../api/archive/sha256-file.ts';
import {parseRepository} from '../api/registry/repository-name.ts';
import {deliver} from '../api/pipeline/deliver.ts';
import {ArtifactRepository} from '../api/registry/artifact-repository.ts';
import {DockerRegistry} from '../test/registry/docker-registry.ts';
import type {EntryReader} from '../volumes/entry-reader.ts';
import {RegistryStore} from '../volumes/registry-store.ts';
import {formatRecord} from '../volumes/sparse-records.ts';
import {storeFormat, type StoreEntry} from '../volumes/store-entry.ts';

/** A registry on loopback against a plain copy over HTTP, with the files of one image. */
export interface TeamFigures {
  /** Sending everything, and sending it again. */
  readonly push_seconds: number;
  readonly push_again_seconds: number;
  readonly sent_mb: number;
  readonly sent_again_mb: number;
  /** From the registry to a folder, everything verified. */
  readonly fetch_seconds: number;
  readonly delivered_mb: number;
  /** curl, of the files that are delivered and of the bytes that the registry has to send. */
  readonly http_copy_seconds: number;
  readonly http_copy_of_parts_seconds: number;
  readonly ratio: number;
  readonly ratio_of_parts: number;
}

const megabyte = 1e6;
const run = promisify(execFile);

/** @param options.target A folder with an image that has been built: .img, .img.zst, .img.zip. */
export async function benchTeam({
  target,
  log,
}: {
  readonly target: string;
  readonly log: (line: string) => void;
}): Promise<TeamFigures> {
  const folder = await mkdtemp(join(tmpdir(), 'hypriotkit-bench-team-'));
  await using registry = await DockerRegistry.start();
  try {
    log('hashing the image');
    const entry = await entryOf(target);
    const names = new Set(entry.files.map(({name}) => name));
    await using repository = new ArtifactRepository(parseRepository(`${registry.host}/bench`, 'bench'));
    const store = new RegistryStore(repository);
    log('sending it');
    const first = await timed(() => store.push(entry, readerOf(target), names));
    const second = await timed(() => store.push(entry, readerOf(target), names));
    log('fetching it');
    const found = await store.find(entry.fingerprint);
    if (found === undefined || 'problem' in found) throw new Error('the registry does not have it');
    const signal = new AbortController().signal;
    const fetched = await timed(() =>
      deliver(store, found.entry, found.entry.files, folder, () => undefined, signal),
    );
    log('copying it over HTTP');
    const all = entry.files.map(({name}) => name);
    const parts = all.filter((name) => !found.unpackedFrom.has(name));
    const copied = await timed(() => copyOverHttp(target, all, folder));
    const copiedParts = await timed(() => copyOverHttp(target, parts, folder));
    return {
      push_seconds: first.seconds,
      push_again_seconds: second.seconds,
      sent_mb: Math.round(first.value.sentBytes / megabyte),
      sent_again_mb: Math.round(second.value.sentBytes / megabyte),
      fetch_seconds: fetched.seconds,
      delivered_mb: Math.round(entry.files.reduce((sum, {sizeBytes}) => sum + sizeBytes, 0) / megabyte),
      http_copy_seconds: copied.seconds,
      http_copy_of_parts_seconds: copiedParts.seconds,
      ratio: round(fetched.seconds / copied.seconds),
      ratio_of_parts: round(fetched.seconds / copiedParts.seconds),
    };
  } finally {
    await rm(folder, {recursive: true, force: true});
  }
}

async function entryOf(target: string): Promise<StoreEntry> {
  const names = existsSync(target)
    ? (await readdir(target)).filter((name) => name.includes('.img')).sort()
    : [];
  if (!names.some((name) => name.endsWith('.img.zst'))) {
    throw new Error(`${target} has no image: hypriotkit build -t ${target} makes one`);
  }
  const files = [];
  for (const name of names) {
    const path = join(target, name);
    files.push({name, sizeBytes: (await stat(path)).size, sha256: await sha256File(path)});
  }
  return {
    format: storeFormat,
    step: 'rpi_sd_image',
    fingerprint: 'b'.repeat(64),
    inputs: {},
    createdAt: new Date().toISOString(),
    durationMs: 0,
    files,
  };
}

function readerOf(target: string): EntryReader {
  return {
    async readFile({files}, name, onChunk) {
      const sizeBytes = files.find((file) => file.name === name)?.sizeBytes ?? 0;
      if (sizeBytes > 0) await onChunk(formatRecord(0, sizeBytes));
      for await (const chunk of createReadStream(join(target, name), {highWaterMark: 1024 ** 2})) {
        await onChunk(chunk as Buffer);
      }
      await onChunk(formatRecord(sizeBytes, 0));
    },
    readText: () => Promise.reject(new Error('nothing asks for text')),
  };
}

async function copyOverHttp(target: string, names: readonly string[], folder: string): Promise<void> {
  const server = createServer((request, response) => {
    pipeline(createReadStream(join(target, request.url ?? ''), {highWaterMark: 1024 ** 2}), response).catch(
      () => undefined,
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const {port} = server.address() as AddressInfo;
  try {
    for (const name of names) {
      await run('curl', ['-sSf', '-o', join(folder, `copy-${name}`), `http://127.0.0.1:${port}/${name}`]);
    }
  } finally {
    server.close();
  }
}

async function timed<T>(work: () => Promise<T>): Promise<{readonly value: T; readonly seconds: number}> {
  const startedMs = performance.now();
  const value = await work();
  return {value, seconds: round((performance.now() - startedMs) / 1000)};
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
