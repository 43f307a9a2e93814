import {spawn} from 'node:child_process';
import {chmod, mkdir, readdir, readFile, rm, stat, utimes, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {describe, expect, it, vi} from 'vitest';
import type {CacheKey, EntryLease} from '../../../../api/cache/cache-entry.ts';
import {openCache, openCacheFolder, type DownloadCache} from '../../../../api/cache/download-cache.ts';
import {parsePolicy} from '../../../../api/cache/policy-file.ts';
import {download} from '../../../../api/download/download.ts';
import {answer, serve} from '../download/file-server.ts';
import {noise, sha256} from '../download/rig.ts';
import {makeTempFolder} from '../temp-folder.ts';

const keyOf = (name: string): CacheKey => ({kind: 'file', source: `https://example.org/${name}`});

interface CacheRig {
  readonly folder: string;
  readonly cache: DownloadCache;
  readonly setDay: (day: number) => void;
  /** Adds a file and lets go of it. */
  readonly add: (name: string, sizeBytes?: number) => Promise<EntryLease>;
}

async function makeCache(policy = ''): Promise<CacheRig> {
  const folder = await makeTempFolder();
  let now = Date.parse('2026-11-01T00:00:00Z');
  const cache = await openCacheFolder({
    folder: join(folder, 'cache'),
    policy: parsePolicy('/policy.yaml', policy),
    now: () => new Date(now),
  });
  return {
    folder,
    cache,
    setDay: (day) => {
      now = Date.parse('2026-11-01T00:00:00Z') + day * 86_400_000;
    },
    add: async (name, sizeBytes = 1000) => {
      const content = noise(sizeBytes, name);
      const path = join(folder, 'incoming');
      await writeFile(path, content);
      const lease = await cache.addFile(
        keyOf(name),
        path,
        {sha256: sha256(content), sizeBytes},
        {etag: `"${name}"`},
      );
      await lease.release();
      return lease;
    },
  };
}

const sources = async (cache: DownloadCache): Promise<string[]> =>
  (await cache.list()).map(({source}) => source.replace('https://example.org/', ''));

/** Changes a byte, and leaves size and date as they were, to the millisecond. */
async function damage(path: string): Promise<void> {
  const mtime = (Math.floor((await stat(path)).mtimeMs) + 0.5) / 1000;
  const content = await readFile(path);
  content[10] = (content[10] ?? 0) ^ 1;
  await chmod(path, 0o644);
  await writeFile(path, content);
  await utimes(path, mtime, mtime);
}

describe('an entry', () => {
  it('is there with its record, and counts its uses', async () => {
    const {cache, add, setDay} = await makeCache();
    const {paths} = await add('a');
    setDay(3);
    await using lease = await cache.use(keyOf('a'));
    expect(lease?.paths).toEqual(paths);
    expect((await stat(paths[0] ?? '')).mode & 0o222).toBe(0);
    expect(await cache.find(keyOf('a'))).toMatchObject({
      ...keyOf('a'),
      sizeBytes: 1000,
      validator: {etag: '"a"'},
      addedOn: '2026-11-01T00:00:00.000Z',
      lastUsedOn: '2026-11-04T00:00:00.000Z',
      uses: 2,
    });
    expect(await cache.find(keyOf('b'))).toBeUndefined();
    expect(await cache.use({kind: 'oci_image', source: keyOf('a').source})).toBeUndefined();
  });

  it('that was cut off is not found', async () => {
    const {cache, add} = await makeCache();
    const {paths} = await add('a');
    await chmod(paths[0] ?? '', 0o644);
    await writeFile(paths[0] ?? '', 'short');
    expect(await cache.find(keyOf('a'))).toBeUndefined();
    expect(await cache.use(keyOf('a'))).toBeUndefined();
    expect(await cache.list()).toEqual([]);
  });

  it('is hashed the first time it is read back, on demand, when written to, and after a month', async () => {
    const found = async (hurt: (path: string) => Promise<void>, day: number, mustHash = false) => {
      const {cache, add, setDay} = await makeCache();
      const path = (await add('a')).paths[0] ?? '';
      if (hurt !== touchUnread) await (await cache.use(keyOf('a')))?.release();
      await hurt(path);
      setDay(day);
      const lease = await cache.use(keyOf('a'), {mustHash});
      await lease?.release();
      return lease !== undefined;
    };
    const touchUnread = (path: string) => damage(path);
    const write = async (path: string) => {
      await damage(path);
      await utimes(path, new Date(), new Date());
    };
    expect(await found(touchUnread, 0)).toBe(false);
    expect(await found(damage, 1, true)).toBe(false);
    expect(await found(write, 1)).toBe(false);
    expect(await found(damage, 31)).toBe(false);
    // The price of not reading everything each time.
    expect(await found(damage, 1)).toBe(true);
  });

  it('that is replaced stays for who has it, and then is gone', async () => {
    const {cache, add, folder} = await makeCache();
    await add('a');
    const old = await cache.use(keyOf('a'));
    const content = noise(500, 'new');
    await writeFile(join(folder, 'new'), content);
    const fresh = await cache.addFile(
      keyOf('a'),
      join(folder, 'new'),
      {sha256: sha256(content), sizeBytes: 500},
      {},
    );
    expect(sha256(await readFile(old?.paths[0] ?? ''))).toBe(sha256(noise(1000, 'a')));
    await old?.release();
    await fresh.release();
    expect((await cache.find(keyOf('a')))?.sizeBytes).toBe(500);
  });

  it('whose record is damaged is none, and its file goes in time', async () => {
    const {cache, add, folder, setDay} = await makeCache();
    const {paths} = await add('a');
    const entries = join(folder, 'cache', 'entries');
    for (const name of await readdir(entries)) await writeFile(join(entries, name), '{"kind": "file", "sou');
    await writeFile(join(entries, 'stranger.json'), '{}');
    expect(await cache.list()).toEqual([]);
    setDay(8);
    await cache.prune();
    expect(await readdir(entries)).toEqual([]);
    await expect(stat(paths[0] ?? '')).rejects.toMatchObject({code: 'ENOENT'});
  });
});

describe('prune', () => {
  it('removes what the policy does not keep, and only says so in a dry run', async () => {
    const {cache, add, setDay} = await makeCache('max_num: 2');
    for (const [day, name] of ['a', 'b', 'c'].entries()) {
      setDay(day);
      await add(name);
    }
    const wanted = [{entry: {source: 'https://example.org/a'}, reason: 'max_num: 2 others stay'}];
    expect(await cache.prune({isDryRun: true})).toMatchObject(wanted);
    expect(await sources(cache)).toEqual(['a', 'b', 'c']);
    expect(await cache.prune()).toMatchObject(wanted);
    expect(await sources(cache)).toEqual(['b', 'c']);
    expect(await cache.prune()).toEqual([]);
  });

  it('leaves what is in use, until it is not', async () => {
    const {cache, add} = await makeCache('files: {enabled: false}');
    await add('a');
    const lease = await cache.use(keyOf('a'));
    expect(await cache.prune()).toEqual([]);
    expect(await cache.remove(keyOf('a'))).toBe(false);
    await lease?.release();
    expect(await cache.prune()).toHaveLength(1);
    await expect(stat(lease?.paths[0] ?? '')).rejects.toMatchObject({code: 'ENOENT'});
  });

  it('does not wait for processes that were killed', async () => {
    const {cache, add, folder} = await makeCache('files: {enabled: false}');
    const {entry} = await add('a');
    const leases = join(folder, 'cache', 'leases');
    const child = spawn('true');
    await new Promise((resolve) => child.once('close', resolve));
    const host = await hostOfLeases(cache, leases);
    await writeFile(join(leases, `${entry.blobs[0]?.sha256 ?? ''}.${host}.${child.pid ?? 0}.abc`), '');
    expect(await cache.prune()).toHaveLength(1);
    expect(await readdir(leases)).toEqual([]);
  });

  it('removes what interrupted runs have left after a week, not before', async () => {
    const {cache, folder, setDay} = await makeCache();
    await mkdir(join(cache.partialFolder, 'x'));
    await writeFile(join(cache.partialFolder, 'x', 'content'), 'abc');
    await writeFile(join(folder, 'layer'), 'layer');
    const layer = await cache.addBlob(join(folder, 'layer'), {
      sha256: sha256(Buffer.from('layer')),
      sizeBytes: 5,
    });
    await layer.release();
    expect(await cache.remains()).toEqual({count: 1, sizeBytes: 3});
    await cache.prune();
    expect(await cache.useBlob(layer.blob.sha256).then((lease) => lease?.release())).toBeUndefined();
    expect((await cache.remains()).count).toBe(1);
    setDay(100_000);
    await cache.prune();
    expect(await readdir(join(folder, 'cache', 'blobs'))).toEqual([]);
    expect((await cache.remains()).count).toBe(0);
  });
});

describe('blobs', () => {
  it('are shared by entries, and stay as long as one has them', async () => {
    const {cache, folder} = await makeCache();
    const add = async (text: string) => {
      const path = join(folder, text);
      await writeFile(path, text);
      return cache.addBlob(path, {sha256: sha256(Buffer.from(text)), sizeBytes: text.length});
    };
    const [base, one, two] = [await add('base'), await add('one'), await add('two')];
    const image = async (name: string, blobs: (typeof base)[]) =>
      cache.addEntry(
        {kind: 'oci_image', source: name},
        blobs.map(({blob}) => blob),
        {digest: name},
      );
    const leases = [await image('x/one:1', [one, base]), await image('x/two:1', [two, base])];
    for (const lease of [base, one, two, ...leases]) await lease.release();
    expect((await cache.find({kind: 'oci_image', source: 'x/two:1'}))?.sizeBytes).toBe(7);
    expect(await cache.remove({kind: 'oci_image', source: 'x/one:1'})).toBe(true);
    expect(await cache.useBlob(one.blob.sha256)).toBeUndefined();
    await using kept = await cache.useBlob(base.blob.sha256);
    expect(await readFile(kept?.path ?? '', 'utf8')).toBe('base');
  });

  it('that are damaged take every entry with them that needs them', async () => {
    const {cache, add} = await makeCache();
    await add('a');
    const {paths, entry} = await add('b');
    const again = await cache.addEntry(keyOf('same'), entry.blobs, {});
    await again.release();
    await damage(paths[0] ?? '');
    const damages = await cache.verify();
    expect(damages.map(({entry: {source}}) => source)).toEqual([
      'https://example.org/b',
      'https://example.org/same',
    ]);
    expect(await sources(cache)).toEqual(['a']);
    expect(await cache.verify()).toEqual([]);
  });
});

describe('admit', () => {
  it('says what would stay, of all that would be added, and changes nothing', async () => {
    const {cache, add, setDay} = await makeCache(
      '{max_size: 2500 b, files: {filters: [{pattern: not, ignore: true}]}}',
    );
    await add('a');
    await add('b');
    setDay(1);
    const candidates = ['c', 'not', 'large'].map((name) => ({
      ...keyOf(name),
      sizeBytes: name === 'large' ? 3000 : 1000,
    }));
    expect(await cache.admit(candidates)).toEqual([true, false, false]);
    expect(await sources(cache)).toEqual(['a', 'b']);
  });
});

describe('git repositories in the folder', () => {
  it('are listed and pruned like the rest, but not while they are worked with', async () => {
    const {cache, folder, setDay} = await makeCache('max_age: 30d');
    const repository = join(folder, 'cache', 'git', 'a'.repeat(32));
    await mkdir(repository, {recursive: true});
    await writeFile(join(repository, 'HEAD'), 'ref: refs/heads/main\n');
    await writeFile(
      join(repository, 'config'),
      '[remote "origin"]\n\turl = https://me:secret@example.org/x.git\n',
    );
    await writeFile(join(repository, 'pack'), 'x'.repeat(5000));
    const old = new Date('2026-10-01T00:00:00Z');
    await utimes(join(repository, 'HEAD'), old, old);
    await utimes(repository, old, old);
    setDay(0);
    const [entry] = await cache.list();
    expect(entry).toMatchObject({kind: 'git', addedOn: old.toISOString()});
    expect(entry?.source).not.toContain('secret');
    expect(entry?.sizeBytes).toBeGreaterThan(5000);
    expect(await cache.prune({isDryRun: true})).toHaveLength(1);
    await mkdir(`${repository}.lock`);
    expect(await cache.prune()).toEqual([]);
    await rm(`${repository}.lock`, {recursive: true});
    expect(await cache.prune()).toHaveLength(1);
    expect(await readdir(join(folder, 'cache', 'git'))).toEqual([]);
  });
});

describe('two processes at once', () => {
  it('download a source once, and each has it', async () => {
    const folder = await makeTempFolder();
    const content = noise(200_000);
    const server = await serve((request, response) => {
      setTimeout(() => answer(request, response, {content, etag: '"1"'}), 50);
    });
    const run = () =>
      new Promise<string>((resolve, reject) => {
        const child = startDownload(folder, `${server.origin}/a.bin`);
        let text = '';
        child.stdout.on('data', (piece: Buffer) => (text += piece.toString()));
        child.once('error', reject);
        child.once('close', () => resolve(text.trim()));
      });
    const results = await Promise.all([run(), run(), run()]);
    expect(results.sort()).toEqual([
      `cache ${sha256(content)}`,
      `cache ${sha256(content)}`,
      `network ${sha256(content)}`,
    ]);
    expect(server.sentBytes()).toBe(content.length);
    const cache = await openCache({folder: join(folder, 'cache')});
    expect((await cache?.list())?.[0]?.uses).toBe(3);
  });

  it('go on with what one that was killed has left', async () => {
    const folder = await makeTempFolder();
    const content = noise(200_000);
    let isFirst = true;
    const server = await serve((request, response) => {
      if (isFirst)
        response
          .writeHead(200, {etag: '"1"', 'content-length': content.length})
          .write(content.subarray(0, 50_000));
      else answer(request, response, {content, etag: '"1"'});
    });
    const child = startDownload(folder, `${server.origin}/a.bin`);
    const cache = await openCacheFolder({folder: join(folder, 'cache')});
    await vi.waitUntil(async () => (await cache.remains()).sizeBytes > 50_000, {timeout: 30_000});
    child.kill('SIGKILL');
    await new Promise((resolve) => child.once('close', resolve));
    isFirst = false;
    // Its lock counts as left behind after ten seconds, which a test need not wait for.
    const locks = join(folder, 'cache', 'locks');
    for (const name of await readdir(locks)) await utimes(join(locks, name), 1, 1);
    const [file] = await download([{id: 'it', url: `${server.origin}/a.bin`}], {cache, scratch: folder});
    expect(file?.receivedBytes).toBe(150_000);
    expect(sha256(await readFile(file?.path ?? ''))).toBe(sha256(content));
  }, 60_000);
});

function startDownload(folder: string, url: string) {
  const script = fileURLToPath(new URL('download-process.ts', import.meta.url));
  return spawn(process.execPath, ['--import', 'tsx', script, folder, url], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

/** What the cache calls this machine in the names of leases. */
async function hostOfLeases(cache: DownloadCache, leases: string): Promise<string> {
  await using _lease = await cache.use(keyOf('a'));
  return (await readdir(leases))[0]?.split('.')[1] ?? '';
}
