import {createHash} from 'node:crypto';
import {readFile, writeFile} from 'node:fs/promises';
import {createServer, type IncomingMessage, type ServerResponse} from 'node:http';
import type {AddressInfo} from 'node:net';
import {join} from 'node:path';
import {gzipSync} from 'node:zlib';
import {describe, expect, it, onTestFinished, vi} from 'vitest';
import {flash, type FlashEvent} from '../../../../api/index.ts';
import {readReferenceDisk} from '../disk/reference-disk.ts';
import {makeTempFolder} from '../temp-folder.ts';

const packed = gzipSync(await readReferenceDisk('fat32'));
const etag = '"one"';

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/** A server whose answers the test decides; `.sha256` beside the image does not exist. */
async function serve(handler: Handler): Promise<{url: string; ranges: (string | undefined)[]}> {
  const ranges: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    if (request.url?.endsWith('.sha256') === true) {
      response.writeHead(404).end();
      return;
    }
    ranges.push(request.headers.range);
    handler(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return {url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/card.img.gz`, ranges};
}

/** Answers as a good server does, but sends no more than `most` bytes of each answer. */
const answer =
  (content: Buffer, most = Infinity): Handler =>
  (request, response) => {
    if (request.headers['if-none-match'] === etag) {
      response.writeHead(304).end();
      return;
    }
    const from =
      request.headers['if-range'] === etag
        ? Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0)
        : 0;
    const rest = content.subarray(from);
    response.writeHead(from > 0 ? 206 : 200, {
      etag,
      'content-length': rest.length,
      ...(from > 0 && {'content-range': `bytes ${from}-${content.length - 1}/${content.length}`}),
    });
    if (rest.length <= most) response.end(rest);
    else response.write(rest.subarray(0, most), () => response.destroy());
  };

async function withCache(): Promise<string> {
  const folder = await makeTempFolder();
  vi.stubEnv('XDG_CACHE_HOME', join(folder, 'cache'));
  onTestFinished(() => {
    vi.unstubAllEnvs();
  });
  return join(folder, 'copy.img');
}

describe('an image from a server', () => {
  it('is written, and not fetched a second time', async () => {
    const device = await withCache();
    const {url, ranges} = await serve(answer(packed));
    await flash({image: url, device});
    const first = await readFile(device);
    await flash({image: url, device});
    expect((await readFile(device)).equals(first)).toBe(true);
    expect(ranges).toEqual([undefined, undefined]);
  });

  it('is continued where the connection broke', async () => {
    const device = await withCache();
    const noise = Buffer.from(await readReferenceDisk('fat32'));
    for (let at = 9_000_000; at < 15_000_000; at += 32)
      createHash('sha256').update(`${at}`).digest().copy(noise, at);
    const {url, ranges} = await serve(answer(gzipSync(noise), 2_500_000));
    await flash({image: url, device});
    expect(ranges[0]).toBeUndefined();
    expect(ranges.slice(1).every((range) => /^bytes=[1-9]\d*-$/.test(range ?? ''))).toBe(true);
    expect(ranges.length).toBeGreaterThan(1);
  });

  it('that is another one by now is fetched anew', async () => {
    const device = await withCache();
    let calls = 0;
    const {url} = await serve((request, response) => {
      calls++;
      if (calls === 1) {
        response.writeHead(200, {etag: '"old"', 'content-length': 1000});
        response.write('x'.repeat(500), () => response.destroy());
      } else answer(packed)(request, response);
    });
    await flash({image: url, device});
    expect(calls).toBe(2);
  });

  it('is used from the cache, with a warning, when the server is gone', async () => {
    const device = await withCache();
    let isGone = false;
    const {url} = await serve((request, response) => {
      if (isGone) response.destroy();
      else answer(packed)(request, response);
    });
    await flash({image: url, device});
    isGone = true;
    const events: FlashEvent[] = [];
    await flash({image: url, device, onEvent: (event) => events.push(event)});
    expect(events).toContainEqual(expect.objectContaining({type: 'notice', level: 'warning'}));
  });

  it('that is not there is named', async () => {
    const device = await withCache();
    const {url} = await serve((_request, response) => response.writeHead(404).end());
    await expect(flash({image: url, device})).rejects.toMatchObject({
      code: 'DOWNLOAD_FAILED',
      message: expect.stringContaining('404') as string,
    });
  });

  it('is compared with the checksum beside it', async () => {
    const device = await withCache();
    const server = createServer((request, response) => {
      if (request.url?.endsWith('.sha256') === true)
        response.end(`${createHash('sha256').digest('hex')}  card.img.gz\n`);
      else answer(packed)(request, response);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void server.close());
    const image = `http://127.0.0.1:${(server.address() as AddressInfo).port}/card.img.gz`;
    await writeFile(device, 'kept');
    await expect(flash({image, device})).rejects.toMatchObject({
      code: 'DOWNLOAD_FAILED',
      message: expect.stringContaining('its sha-256 is') as string,
    });
    expect(await readFile(device, 'utf8')).toBe('kept');
  });
});
