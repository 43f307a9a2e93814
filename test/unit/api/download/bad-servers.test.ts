import {mkdir, readFile, writeFile} from 'node:fs/promises';
import {createServer as createTcpServer, type AddressInfo} from 'node:net';
import {join} from 'node:path';
import {createGzip, gzipSync} from 'node:zlib';
import {describe, expect, it, onTestFinished} from 'vitest';
import {idOf} from '../../../../api/cache/entry-folder.ts';
import {openSink} from '../../../../api/download/file-sink.ts';
import {answer, serve} from './file-server.ts';
import {impatience, makeRig, noise, sha256} from './rig.ts';

const content = noise(300_000);
const etag = '"one"';
const digest = {algorithm: 'sha-256', value: sha256(content), kind: 'digest'} as const;

/** A server that speaks no proper HTTP: its answer is written as it is, and the connection is closed. */
async function serveRaw(head: string, body: Buffer): Promise<string> {
  const server = createTcpServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => {
      socket.write(head);
      socket.end(body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe('a server that', () => {
  it('cuts the connection again and again still gives all of it, each byte once', async () => {
    const rig = await makeRig();
    const server = await serve((request, response) =>
      answer(request, response, {content, etag, cutAfter: 40_000}),
    );
    const file = await rig.one(`${server.origin}/a.bin`, {checksum: digest});
    expect(sha256(await readFile(file.path))).toBe(sha256(content));
    expect(file.receivedBytes).toBe(content.length);
    expect(server.seen).toHaveLength(8);
    expect(rig.events.filter(({type}) => type === 'download-retried')).toHaveLength(7);
  });

  it('stalls is left, and asked for the rest', async () => {
    const rig = await makeRig();
    let calls = 0;
    const server = await serve((request, response) => {
      if (++calls > 1) answer(request, response, {content, etag});
      else
        response.writeHead(200, {etag, 'content-length': content.length}).write(content.subarray(0, 100_000));
    });
    const [file] = await rig.all([{id: 'it', url: `${server.origin}/a.bin`}], {
      patience: {...impatience, stallMs: 300},
    });
    expect(sha256(await readFile(file?.path ?? ''))).toBe(sha256(content));
    expect(server.seen[1]?.range).toBe('bytes=100000-');
  });

  it('cuts or stalls in the middle of a large file is asked for the rest', async () => {
    const rig = await makeRig();
    const large = Buffer.alloc(20_000_000, noise(1_000_003, 'large'));
    let calls = 0;
    const server = await serve((request, response) => {
      calls++;
      if (calls === 1) answer(request, response, {content: large, etag, cutAfter: 9_000_000});
      else if (calls === 2) {
        response.writeHead(206, {
          etag,
          'content-length': 11_000_000,
          'content-range': 'bytes 9000000-19999999/20000000',
        });
        response.write(large.subarray(9_000_000, 12_000_000));
      } else answer(request, response, {content: large, etag});
    });
    const [file] = await rig.all([{id: 'it', url: `${server.origin}/a.bin`}], {
      patience: {...impatience, stallMs: 500},
    });
    expect(sha256(await readFile(file?.path ?? ''))).toBe(sha256(large));
    expect(server.seen.map(({range}) => range)).toEqual([undefined, 'bytes=9000000-', 'bytes=12000000-']);
  });

  it('answers nothing at all is given up', async () => {
    const rig = await makeRig();
    const server = await serve(() => undefined);
    await expect(
      rig.all([{id: 'it', url: `${server.origin}/a.bin`}], {
        patience: {...impatience, stallMs: 100, fruitlessRounds: 2},
      }),
    ).rejects.toThrow(/does not answer/);
  });

  it('promises more than it sends is not believed', async () => {
    const rig = await makeRig();
    const origin = await serveRaw(
      'HTTP/1.1 200 OK\r\nContent-Length: 400000\r\nConnection: close\r\n\r\n',
      content,
    );
    await expect(rig.one(`${origin}/a.bin`)).rejects.toMatchObject({code: 'DOWNLOAD_FAILED'});
    expect(await rig.cache.list()).toEqual([]);
  });

  it('promises less than it sends is found out by the declared size or checksum', async () => {
    const rig = await makeRig();
    const head = 'HTTP/1.1 200 OK\r\nContent-Length: 200000\r\nConnection: close\r\n\r\n';
    const origin = await serveRaw(head, content);
    await expect(rig.one(`${origin}/a.bin`, {sizeBytes: content.length})).rejects.toThrow(
      /has 200000 bytes there, but 300000 are declared/,
    );
    await expect(rig.one(`${origin}/a.bin`, {checksum: digest})).rejects.toMatchObject({
      code: 'DOWNLOAD_FAILED',
    });
    expect(await rig.cache.list()).toEqual([]);
  });

  it('has more than is allowed is stopped, also when it does not say how much', async () => {
    const rig = await makeRig();
    const server = await serve((request, response) => {
      if (request.url === '/said') answer(request, response, {content, etag});
      else response.writeHead(200).write(content, () => response.end(content));
    });
    await expect(rig.one(`${server.origin}/said`, {mostBytes: 1000})).rejects.toThrow(
      /more than the 1000 bytes/,
    );
    await expect(rig.one(`${server.origin}/unsaid`, {mostBytes: 1000})).rejects.toThrow(
      /more than the 1000 bytes/,
    );
  });

  it('changes the file between two ranges gives the new one, whole', async () => {
    const rig = await makeRig();
    const second = noise(300_000, 'second');
    let calls = 0;
    const server = await serve((request, response) => {
      if (++calls === 1) answer(request, response, {content, etag, cutAfter: 100_000});
      else answer(request, response, {content: second, etag: '"two"'});
    });
    const file = await rig.one(`${server.origin}/a.bin`);
    expect(sha256(await readFile(file.path))).toBe(sha256(second));
    expect(server.seen[1]).toMatchObject({range: 'bytes=100000-', ifRange: etag});
  });

  it('changes the file and ignores If-Range gives the new one, whole', async () => {
    const rig = await makeRig();
    const second = noise(300_000, 'second');
    let calls = 0;
    const server = await serve((request, response) => {
      if (++calls === 1) {
        answer(request, response, {content, etag, cutAfter: 100_000});
        return;
      }
      const start = Number(/\d+/.exec(request.headers.range ?? '0')?.[0]);
      response.writeHead(start > 0 ? 206 : 200, {
        etag: '"two"',
        ...(start > 0 && {'content-range': `bytes ${start}-299999/300000`}),
      });
      response.end(second.subarray(start));
    });
    const file = await rig.one(`${server.origin}/a.bin`);
    expect(sha256(await readFile(file.path))).toBe(sha256(second));
  });

  it('joins two versions without a word is found out by the checksum, and asked for all of it', async () => {
    const rig = await makeRig();
    let calls = 0;
    const server = await serve((request, response) => {
      // The first part is of another file with the same entity tag.
      if (++calls === 1) answer(request, response, {content: noise(300_000, 'x'), etag, cutAfter: 100_000});
      else answer(request, response, {content, etag});
    });
    const file = await rig.one(`${server.origin}/a.bin`, {checksum: digest});
    expect(sha256(await readFile(file.path))).toBe(sha256(content));
    expect(server.seen.map(({range}) => range)).toEqual([undefined, 'bytes=100000-', undefined]);
  });

  it('gives no version is never continued without a checksum, and is with one', async () => {
    for (const checksum of [undefined, digest]) {
      const rig = await makeRig();
      let calls = 0;
      const server = await serve((request, response) =>
        answer(request, response, {content, ...(++calls === 1 && {cutAfter: 100_000})}),
      );
      const file = await rig.one(`${server.origin}/a.bin`, {checksum});
      expect(sha256(await readFile(file.path))).toBe(sha256(content));
      expect(server.seen[1]?.range).toBe(checksum && 'bytes=100000-');
    }
  });

  it('knows no ranges sends all of it again', async () => {
    const rig = await makeRig();
    let calls = 0;
    const server = await serve((_request, response) => {
      response.writeHead(200, {etag, 'content-length': content.length});
      if (++calls === 1) response.write(content.subarray(0, 100_000), () => response.destroy());
      else response.end(content);
    });
    const file = await rig.one(`${server.origin}/a.bin`);
    expect(sha256(await readFile(file.path))).toBe(sha256(content));
  });

  it('has a shorter file by now (416) is asked for all of it', async () => {
    const rig = await makeRig();
    const short = noise(50_000, 'short');
    let calls = 0;
    const server = await serve((request, response) => {
      if (++calls === 1) {
        answer(request, response, {content, etag, cutAfter: 100_000});
        return;
      }
      if (request.headers.range === undefined) answer(request, response, {content: short, etag: '"two"'});
      else response.writeHead(416, {'content-range': 'bytes */50000'}).end('no such range');
    });
    const file = await rig.one(`${server.origin}/a.bin`);
    expect(sha256(await readFile(file.path))).toBe(sha256(short));
  });

  it('is busy (429, 503) is asked again when it says', async () => {
    const rig = await makeRig();
    let calls = 0;
    const server = await serve((request, response) => {
      calls++;
      if (calls === 1) response.writeHead(429, {'retry-after': '1'}).end('slow down');
      else if (calls === 2) response.writeHead(503, {'retry-after': new Date().toUTCString()}).end();
      else answer(request, response, {content, etag});
    });
    await rig.one(`${server.origin}/a.bin`);
    expect(rig.events.filter(({type}) => type === 'download-retried')).toMatchObject([
      {reason: 'the server answers 429', waitMs: 1000},
      {reason: 'the server answers 503'},
    ]);
  });

  it('wants to be left alone for longer than we wait is quoted', async () => {
    const rig = await makeRig();
    const server = await serve((_request, response) =>
      response.writeHead(503, {'retry-after': '7200'}).end(),
    );
    await expect(rig.one(`${server.origin}/a.bin`)).rejects.toThrow(/503, and asks to come back in 2 hours/);
    expect(server.seen).toHaveLength(1);
  });

  it('fails each time is asked no more than a few times', async () => {
    const rig = await makeRig();
    const server = await serve((_request, response) => response.writeHead(500).end());
    await expect(rig.one(`${server.origin}/a.bin`)).rejects.toThrow(/500/);
    expect(server.seen).toHaveLength(5);
  });

  it('redirects in a circle is named', async () => {
    const rig = await makeRig();
    const server = await serve((_request, response) => response.writeHead(302, {location: '/a.bin'}).end());
    await expect(rig.one(`${server.origin}/a.bin`)).rejects.toThrow(/without end/);
    expect(server.seen).toHaveLength(11);
  });

  it('redirects to a file of this machine is refused', async () => {
    const rig = await makeRig();
    const server = await serve((_request, response) =>
      response.writeHead(302, {location: 'file:///etc/hostname'}).end(),
    );
    await expect(rig.one(`${server.origin}/a.bin`)).rejects.toThrow(/no web address/);
  });

  it('sends a page with status 200 instead of the file is found out', async () => {
    const rig = await makeRig();
    const server = await serve((request, response) =>
      answer(request, response, {
        content: Buffer.from('<!DOCTYPE html><title>Log in</title>'),
        type: 'text/html; charset=utf-8',
      }),
    );
    await expect(rig.one(`${server.origin}/a.zim`)).rejects.toThrow(/HTML page instead of the file/);
    expect(await rig.cache.list()).toEqual([]);
    // Where a page is what the name promises, it is one.
    expect((await rig.one(`${server.origin}/index.html`)).sizeBytes).toBe(36);
  });

  it('does not say how much it sends, in chunks, is believed at the end of them', async () => {
    const rig = await makeRig();
    const server = await serve((_request, response) => {
      response.writeHead(200, {etag});
      response.write(content.subarray(0, 1000));
      response.end(content.subarray(1000));
    });
    expect((await rig.one(`${server.origin}/a.bin`)).sizeBytes).toBe(content.length);
    expect(rig.warnings()).toEqual([]);
  });

  it('breaks off in the middle of chunks is not believed', async () => {
    const rig = await makeRig();
    const server = await serve((_request, response) => {
      response.writeHead(200, {});
      response.write(content, () => response.destroy());
    });
    await expect(rig.one(`${server.origin}/a.bin`)).rejects.toMatchObject({code: 'DOWNLOAD_FAILED'});
  });

  it('only closes the connection at the end gets a warning, unless the size is declared', async () => {
    const rig = await makeRig();
    const origin = await serveRaw('HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n', content);
    await rig.one(`${origin}/a.bin`);
    expect(rig.warnings()).toEqual([expect.stringContaining('cannot be told')]);
    await rig.one(`${origin}/b.bin`, {sizeBytes: content.length});
    expect(rig.warnings()).toHaveLength(1);
    await expect(rig.one(`${origin}/c.bin`, {sizeBytes: 400_000})).rejects.toThrow(/400000 are declared/);
  });

  it('packs what it sends though it was asked not to is unpacked', async () => {
    const rig = await makeRig();
    const server = await serve((request, response) => {
      expect(request.headers['accept-encoding']).toBe('identity');
      response.writeHead(200, {'content-encoding': 'gzip', 'content-length': gzipSync(content).length});
      response.end(gzipSync(content));
    });
    const file = await rig.one(`${server.origin}/a.bin`, {checksum: digest, sizeBytes: content.length});
    expect(sha256(await readFile(file.path))).toBe(sha256(content));
  });

  it('packs more than a machine can hold is stopped', async () => {
    const rig = await makeRig();
    const server = await serve((_request, response) => {
      response.writeHead(200, {'content-encoding': 'gzip'});
      const gzip = createGzip();
      gzip.pipe(response);
      gzip.end(Buffer.alloc(50_000_000));
    });
    await expect(rig.one(`${server.origin}/a.bin`, {mostBytes: 1_000_000})).rejects.toThrow(/more than the/);
  });

  it('sends something else than the checksum says is refused, and its mirror is taken', async () => {
    const rig = await makeRig();
    const bad = await serve((request, response) =>
      answer(request, response, {content: noise(300_000, 'bad'), etag}),
    );
    const good = await serve((request, response) => answer(request, response, {content, etag}));
    await expect(rig.one(`${bad.origin}/a.bin`, {checksum: digest})).rejects.toThrow(/its sha-256 is/);
    const file = await rig.one(`${bad.origin}/a.bin`, {checksum: digest, mirrors: [`${good.origin}/b.bin`]});
    expect(sha256(await readFile(file.path))).toBe(sha256(content));
  });

  it('dies in the middle is left for a mirror, which sends the rest', async () => {
    const rig = await makeRig();
    let calls = 0;
    const dying = await serve((request, response) => {
      if (++calls === 1) answer(request, response, {content, etag, cutAfter: 100_000});
      else response.destroy();
    });
    const mirror = await serve((request, response) =>
      answer(request, response, {content, etag: '"of the mirror"'}),
    );
    const file = await rig.one(`${dying.origin}/a.bin`, {
      checksum: digest,
      mirrors: [`${mirror.origin}/a.bin`],
    });
    expect(file.receivedBytes).toBe(content.length);
    expect(mirror.seen[0]).toMatchObject({range: 'bytes=100000-', ifRange: undefined});
  });
});

describe('what an earlier run has left', () => {
  it.each([
    ['a state that was cut off', '{"address": "ht'],
    ['a state of something else', '[]'],
  ])('with %s is not gone on with', async (_, state) => {
    const rig = await makeRig();
    const server = await serve((request, response) => answer(request, response, {content, etag}));
    const url = `${server.origin}/a.bin`;
    const folder = join(rig.cache.partialFolder, idOf({kind: 'file', source: url}));
    await mkdir(folder);
    await writeFile(join(folder, 'state.json'), state);
    await writeFile(join(folder, 'content'), 'rubbish');
    expect(sha256(await readFile((await rig.one(url)).path))).toBe(sha256(content));
    expect(server.seen[0]?.range).toBeUndefined();
  });

  it('complete but for the last word costs one byte', async () => {
    const rig = await makeRig();
    const server = await serve((request, response) => answer(request, response, {content, etag}));
    const url = `${server.origin}/a.bin`;
    const folder = join(rig.cache.partialFolder, idOf({kind: 'file', source: url}));
    await mkdir(folder);
    const state = {address: url, validator: {etag}, totalBytes: content.length};
    await writeFile(join(folder, 'state.json'), JSON.stringify(state));
    await writeFile(join(folder, 'content'), content);
    expect((await rig.one(url, {checksum: digest})).receivedBytes).toBe(1);
  });
});

describe('a disk that is full', () => {
  it.each([
    ['a small file', 100],
    ['a large file, which has a thread', 20_000_000],
  ])('is told from a network that fails: %s', async (_, expectedBytes) => {
    const write = async () => {
      const sink = await openSink('/dev/full', 0, expectedBytes, []);
      try {
        for (let index = 0; index < 10; index++) await sink.write(content);
        await sink.finish();
      } finally {
        await sink.abandon();
      }
    };
    await expect(write()).rejects.toMatchObject({code: 'ENOSPC'});
  });
});
