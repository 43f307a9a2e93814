import {chmod, readdir, readFile, stat, utimes, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {pathToFileURL} from 'node:url';
import {describe, expect, it} from 'vitest';
import type {DownloadProgress} from '../../../../api/download/download-event.ts';
import {probe} from '../../../../api/download/download.ts';
import {answer, serve} from './file-server.ts';
import {impatience, makeRig, noise, sha256} from './rig.ts';

const content = noise(300_000);
const etag = '"one"';

describe('a download', () => {
  it('arrives as it is, and a second run fetches no content byte', async () => {
    const rig = await makeRig();
    const server = await serve((request, response) => answer(request, response, {content, etag}));
    const first = await rig.one(`${server.origin}/a.bin`);
    expect(sha256(await readFile(first.path))).toBe(sha256(content));
    expect(first).toMatchObject({sizeBytes: content.length, sha256: sha256(content), from: 'network'});
    await first.release();
    const sent = server.sentBytes();
    const second = await rig.one(`${server.origin}/a.bin`);
    expect(second).toMatchObject({from: 'cache', receivedBytes: 0, sha256: sha256(content)});
    expect(server.sentBytes()).toBe(sent);
    expect(server.seen.at(-1)?.ifNoneMatch).toBe(etag);
  });

  it('of several megabytes is hashed in its thread', async () => {
    const rig = await makeRig();
    const large = noise(9_000_000);
    const server = await serve((request, response) => answer(request, response, {content: large, etag}));
    const file = await rig.one(`${server.origin}/large.bin`, {
      checksum: {algorithm: 'sha-256', value: sha256(large), kind: 'digest'},
    });
    expect(sha256(await readFile(file.path))).toBe(sha256(large));
  });

  it('is fetched again when the server has another version', async () => {
    const rig = await makeRig();
    let version = 1;
    const server = await serve((request, response) =>
      answer(request, response, {content: noise(5000, `${version}`), etag: `"${version}"`}),
    );
    const first = await rig.one(`${server.origin}/a.bin`);
    version = 2;
    const second = await rig.one(`${server.origin}/a.bin`);
    expect(second.from).toBe('network');
    expect(sha256(await readFile(second.path))).toBe(sha256(noise(5000, '2')));
    // Who had the old one still has it.
    expect(sha256(await readFile(first.path))).toBe(sha256(noise(5000, '1')));
  });

  it('is not asked about as long as the policy says so', async () => {
    let now = new Date('2026-11-01T00:00:00Z');
    const rig = await makeRig({policy: 'check_after: 1d', now: () => now});
    const server = await serve((request, response) => answer(request, response, {content, etag}));
    await rig.one(`${server.origin}/a.bin`);
    now = new Date('2026-11-01T23:00:00Z');
    await rig.one(`${server.origin}/a.bin`);
    expect(server.seen).toHaveLength(1);
    now = new Date('2026-11-02T01:00:00Z');
    await rig.one(`${server.origin}/a.bin`);
    expect(server.seen).toHaveLength(2);
  });

  it('that was broken off is continued by the next run', async () => {
    const rig = await makeRig();
    let cutAfter = 100_000;
    const server = await serve((request, response) => answer(request, response, {content, etag, cutAfter}));
    const url = `${server.origin}/a.bin`;
    await expect(
      rig.all([{id: 'it', url}], {patience: {...impatience, mostWaitMs: 0}}),
    ).rejects.toMatchObject({
      code: 'DOWNLOAD_FAILED',
    });
    cutAfter = Infinity;
    const file = await rig.one(url);
    expect(server.seen.at(-1)).toMatchObject({range: 'bytes=100000-', ifRange: etag});
    expect(file.receivedBytes).toBe(200_000);
    expect(sha256(await readFile(file.path))).toBe(sha256(content));
  });

  it('without a cache is continued from the scratch folder', async () => {
    const rig = await makeRig();
    let cutAfter = 100_000;
    const server = await serve((request, response) =>
      answer(request, response, {content, lastModified: 'Sun, 01 Nov 2026 00:00:00 GMT', cutAfter}),
    );
    const request = {id: 'it', url: `${server.origin}/a.bin`};
    const patience = {...impatience, mostWaitMs: 0};
    await expect(rig.all([request], {cache: undefined, patience})).rejects.toThrow();
    cutAfter = Infinity;
    const [file] = await rig.all([request], {cache: undefined});
    expect(file?.receivedBytes).toBe(200_000);
    expect(sha256(await readFile(file?.path ?? ''))).toBe(sha256(content));
    await file?.release();
    expect(await readdir(rig.scratch)).toEqual([]);
  });

  it('that fails does not stop the others, which the next run finds in the cache', async () => {
    const rig = await makeRig();
    let isThere = false;
    const server = await serve((request, response) => {
      if (request.url === '/bad.bin' && !isThere) response.writeHead(404).end();
      else answer(request, response, {content: noise(50_000, request.url), etag: `"${request.url ?? ''}"`});
    });
    const requests = ['/one.bin', '/bad.bin', '/two.bin'].map((path) => ({
      id: path,
      url: server.origin + path,
    }));
    await expect(rig.all(requests)).rejects.toMatchObject({
      problems: [{id: '/bad.bin', message: expect.stringContaining('answers 404') as string}],
    });
    isThere = true;
    const files = await rig.all(requests);
    expect(files.map(({from}) => from)).toEqual(['cache', 'network', 'cache']);
  });

  it('that fails leaves no destination of the others, nor loses what they have fetched', async () => {
    for (const policy of ['', 'files: {filters: [{pattern: ^, ignore: true}]}']) {
      const rig = await makeRig({policy});
      const server = await serve((request, response) => {
        if (request.url === '/bad.bin') response.writeHead(404).end();
        else answer(request, response, {content, etag});
      });
      const requests = [
        {id: 'good', url: `${server.origin}/good.bin`},
        {id: 'placed', url: `${server.origin}/placed.bin`, destination: join(rig.folder, 'placed')},
      ];
      const bad = {id: 'bad', url: `${server.origin}/bad.bin`};
      await expect(rig.all([...requests, bad])).rejects.toMatchObject({code: 'DOWNLOAD_FAILED'});
      const [good] = await rig.all(requests);
      expect(good?.receivedBytes).toBeLessThanOrEqual(1);
    }
  });

  it('is cloned to its destination, where it may be written to', async () => {
    const rig = await makeRig();
    const server = await serve((request, response) => answer(request, response, {content, etag}));
    const destination = join(rig.folder, 'deep', 'here.bin');
    await rig.one(`${server.origin}/a.bin`, {destination});
    await writeFile(destination, 'changed');
    const again = await rig.one(`${server.origin}/a.bin`);
    expect(sha256(await readFile(again.path))).toBe(sha256(content));
    await expect(rig.one(`${server.origin}/a.bin`, {destination})).rejects.toThrow(/EEXIST/);
    expect(await readFile(destination, 'utf8')).toBe('changed');
  });

  it('twice in a run comes over the network once', async () => {
    const rig = await makeRig();
    const server = await serve((request, response) => answer(request, response, {content, etag}));
    const url = `${server.origin}/a.bin`;
    const files = await rig.all([
      {id: 'one', url},
      {id: 'two', url},
    ]);
    expect(files.map(({from}) => from).sort()).toEqual(['cache', 'network']);
  });

  it('of many small files finishes, each time', async () => {
    const rig = await makeRig();
    const server = await serve((request, response) =>
      answer(request, response, {content: noise(507, request.url), etag}),
    );
    const requests = Array.from({length: 60}, (_, index) => ({
      id: `${index}`,
      url: `${server.origin}/${index}`,
    }));
    const files = await rig.all(requests, {concurrency: 16});
    expect(new Set(files.map(({sha256: digest}) => digest)).size).toBe(60);
  });

  it('of nothing is an empty file', async () => {
    const rig = await makeRig();
    const server = await serve((request, response) =>
      answer(request, response, {content: Buffer.alloc(0), etag}),
    );
    expect((await rig.one(`${server.origin}/empty`)).sizeBytes).toBe(0);
    expect((await rig.one(`${server.origin}/empty`)).from).toBe('cache');
  });

  it('follows redirects', async () => {
    const rig = await makeRig();
    const server = await serve((request, response) => {
      if (request.url === '/a.bin') response.writeHead(302, {location: '/b.bin'}).end();
      else answer(request, response, {content, etag});
    });
    expect((await rig.one(`${server.origin}/a.bin`)).sizeBytes).toBe(content.length);
  });

  it('says how far it is, for the file and for the run', async () => {
    const rig = await makeRig();
    const server = await serve((request, response) => answer(request, response, {content, etag}));
    await rig.all([
      {id: 'one', url: `${server.origin}/1`, sizeBytes: content.length},
      {id: 'two', url: `${server.origin}/2`, sizeBytes: content.length},
    ]);
    const last = rig.events
      .filter((event): event is DownloadProgress => event.type === 'download-progress')
      .at(-1);
    expect(last?.overall).toMatchObject({doneBytes: 2 * content.length, totalBytes: 2 * content.length});
    expect(rig.events.filter(({type}) => type === 'download-finished')).toHaveLength(2);
  });

  it('ends with the signal, and keeps what it has', async () => {
    const rig = await makeRig();
    const stop = new AbortController();
    const server = await serve((_request, response) => {
      response.writeHead(200, {etag, 'content-length': content.length});
      response.write(content.subarray(0, 200_000));
    });
    const run = rig.all([{id: 'it', url: `${server.origin}/a.bin`}], {
      signal: stop.signal,
      onEvent: (event) => {
        if (event.type === 'download-progress' && event.doneBytes > 0) stop.abort(new Error('stopped'));
      },
    });
    await expect(run).rejects.toThrow('stopped');
    expect((await rig.cache.remains()).count).toBe(1);
  });
});

describe('a local file', () => {
  it('is used where it is, or cloned', async () => {
    const rig = await makeRig();
    const path = join(rig.folder, 'local file.bin');
    await writeFile(path, content);
    const file = await rig.one(pathToFileURL(path).href);
    expect(file).toMatchObject({path, from: 'local', sizeBytes: content.length});
    await file.release();
    expect((await stat(path)).size).toBe(content.length);
    const destination = join(rig.folder, 'clone.bin');
    await rig.one(pathToFileURL(path).href, {destination});
    expect(sha256(await readFile(destination))).toBe(sha256(content));
    expect(await rig.cache.list()).toEqual([]);
  });

  it('is compared with its checksum and its size', async () => {
    const rig = await makeRig();
    const path = join(rig.folder, 'local.bin');
    await writeFile(path, content);
    const url = pathToFileURL(path).href;
    const checksum = {algorithm: 'md5', value: '0'.repeat(32), kind: 'digest'} as const;
    await expect(rig.one(url, {checksum})).rejects.toThrow(/md5/);
    await expect(rig.one(url, {sizeBytes: 5})).rejects.toThrow(/5 are declared/);
    await expect(rig.one(`${url}.not`)).rejects.toThrow(/there is no file/);
  });
});

describe('probe', () => {
  it('tells sizes, also of servers without HEAD, and what is dead', async () => {
    const rig = await makeRig();
    const server = await serve((request, response) => {
      if (request.url === '/dead') response.writeHead(410).end();
      else if (request.url === '/no-head' && request.method === 'HEAD') response.writeHead(405).end();
      else answer(request, response, {content, etag});
    });
    await rig.one(`${server.origin}/cached`);
    const before = await readdir(rig.folder, {recursive: true});
    const sent = server.sentBytes();
    const found = await probe(
      ['/new', '/no-head', '/cached', '/dead'].map((path) => ({
        id: path,
        url: server.origin + path,
        sizeBytes: content.length,
      })),
      {cache: rig.cache, patience: impatience},
    );
    const size = {sizeBytes: content.length, problem: undefined, isReachable: true};
    expect(found).toMatchObject([
      {...size, isCached: false},
      {...size, isCached: false},
      {...size, isCached: true},
      {isReachable: false, problem: expect.stringContaining('410') as string},
    ]);
    // The one byte that a server without HEAD is asked for may come with more.
    expect(server.sentBytes() - sent).toBeLessThanOrEqual(content.length);
    expect(await readdir(rig.folder, {recursive: true})).toEqual(before);
  });
});

describe('a file in the cache', () => {
  it('that is damaged is found so by its checksum, and fetched again', async () => {
    const rig = await makeRig({policy: 'check_after: 1d'});
    const server = await serve((request, response) => answer(request, response, {content, etag}));
    const url = `${server.origin}/a.bin`;
    const checksum = {algorithm: 'sha-256', value: sha256(content), kind: 'digest'} as const;
    const first = await rig.one(url, {checksum});
    await first.release();
    await rig.one(url, {checksum}).then((file) => file.release());
    const {mtime} = await stat(first.path);
    await chmod(first.path, 0o644);
    const damaged = Buffer.from(content);
    damaged[1000] = (damaged[1000] ?? 0) ^ 1;
    await writeFile(first.path, damaged);
    await utimes(first.path, mtime, mtime);
    const again = await rig.one(url, {checksum});
    expect(again.from).toBe('network');
    expect(sha256(await readFile(again.path))).toBe(sha256(content));
    expect(rig.warnings()).toEqual([expect.stringContaining('damaged')]);
  });

  it('is used without a question when the checksum names it', async () => {
    const rig = await makeRig();
    const server = await serve((request, response) => answer(request, response, {content, etag}));
    const url = `${server.origin}/a.bin`;
    await rig.one(url);
    const checksum = {algorithm: 'sha-256', value: sha256(content), kind: 'digest'} as const;
    expect((await rig.one(url, {checksum})).from).toBe('cache');
    expect(server.seen).toHaveLength(1);
  });

  it('is used with a warning when the server cannot be asked', async () => {
    const rig = await makeRig();
    let isGone = false;
    const server = await serve((request, response) => {
      if (isGone) response.destroy();
      else answer(request, response, {content, etag});
    });
    await rig.one(`${server.origin}/a.bin`);
    isGone = true;
    expect((await rig.one(`${server.origin}/a.bin`)).from).toBe('cache');
    expect(rig.warnings()).toEqual([expect.stringContaining('in the cache is used')]);
  });

  it('is not kept when the policy ignores it', async () => {
    const rig = await makeRig({policy: 'files: {filters: [{pattern: nightly, ignore: true}]}'});
    const server = await serve((request, response) => answer(request, response, {content, etag}));
    const file = await rig.one(`${server.origin}/Nightly/a.bin`);
    expect(file.path.startsWith(rig.scratch)).toBe(true);
    expect(await rig.cache.list()).toEqual([]);
  });
});
