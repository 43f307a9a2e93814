import {createServer, type IncomingMessage, type ServerResponse} from 'node:http';
import type {AddressInfo} from 'node:net';
import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import {describe, expect, it, onTestFinished} from 'vitest';
import {deployImage} from '../../../../../api/ota/image/deploy/deploy-image.ts';
import {ImageReader} from '../../../../../api/ota/image/read/image-reader.ts';
import {verifyResources} from '../../../../../api/ota/image/verify/verify-resources.ts';
import {verifySignature} from '../../../../../api/ota/image/verify/verify-signature.ts';
import {makeTempFolder} from '../../temp-folder.ts';
import {listTree, sample} from './image-rig.ts';

const artifact = join(sample, 'main-dev.zip');
const zip = readFileSync(artifact);

type Handler = (path: string, request: IncomingMessage, response: ServerResponse) => void;

/** A server on this machine. @returns its address, without a slash at the end */
async function serve(handler: Handler): Promise<string> {
  const server = createServer((request, response) => handler(request.url ?? '', request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Answers like a file server: whole, or the range that was asked for. */
function send(bytes: Buffer, request: IncomingMessage, response: ServerResponse, etag = '"1"'): number {
  const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') ?? [];
  if (from === undefined) {
    response.writeHead(200, {etag, 'content-length': bytes.length}).end(bytes);
    return bytes.length;
  }
  const part = bytes.subarray(Number(from), to ? Number(to) + 1 : undefined);
  const range = `bytes ${from}-${Number(from) + part.length - 1}/${bytes.length}`;
  response.writeHead(206, {etag, 'content-range': range, 'content-length': part.length}).end(part);
  return part.length;
}

/** The files of the sample, by path. */
async function sampleFiles(): Promise<Map<string, Buffer>> {
  await using image = await ImageReader.open(artifact);
  const files = new Map<string, Buffer>();
  for (const path of image.source.files()?.keys() ?? []) {
    const pieces: Uint8Array[] = [];
    for await (const piece of (await image.source.read(path, Infinity)) ?? []) pieces.push(piece);
    files.set(path, Buffer.concat(pieces));
  }
  return files;
}

async function serveFolder(spoil: Handler = () => undefined): Promise<{base: string; asked: string[]}> {
  const files = await sampleFiles();
  const asked: string[] = [];
  const base = await serve((path, request, response) => {
    asked.push(path);
    spoil(path, request, response);
    if (response.headersSent) return;
    const bytes = files.get(path.replace('/image/', ''));
    if (bytes) send(bytes, request, response);
    else response.writeHead(404).end();
  });
  return {base: `${base}/image`, asked};
}

describe('an artifact on a web server', () => {
  it('is read in parts', async () => {
    let sent = 0;
    const base = await serve((_path, request, response) => {
      sent += send(zip, request, response);
    });
    await using image = await ImageReader.open(`${base}/main-dev.zip`);
    const {isTrusted} = await verifySignature(image, {caFolder: join(sample, 'ca')});
    expect([isTrusted, image.payloads.length]).toEqual([true, 1]);
    // The end records may be anywhere in the last 64 KiB; beyond these only directory, index and signature were read.
    expect(sent).toBeLessThan(zip.length / 2);
  });

  it('verifies and deploys', async () => {
    const base = await serve((_path, request, response) => {
      send(zip, request, response);
    });
    await using image = await ImageReader.open(`${base}/main-dev.zip`);
    expect(await verifyResources(image)).toMatchObject({blobs: 11, isSound: true});
    const parent = await makeTempFolder();
    const result = await deployImage(image, {ecuId: 'main', rootfsDir: join(parent, 'root')});
    expect(result).toMatchObject({regularFiles: 250, directories: 32});
    expect(listTree(parent).filter((name) => !name.startsWith('root'))).toEqual([]);
  });

  it('is asked for again when the connection is lost or the server is busy', async () => {
    let requests = 0;
    const base = await serve((_path, request, response) => {
      requests++;
      if (requests % 3 === 1) request.socket.destroy();
      else if (requests % 3 === 2) response.writeHead(503).end();
      else send(zip, request, response);
    });
    await using image = await ImageReader.open(`${base}/main-dev.zip`);
    expect(image.payloads).toHaveLength(1);
  });

  it.each<[string, Handler, string]>([
    [
      'a server without ranges',
      (_path, _request, response) => void response.writeHead(200).end(zip),
      'HTTP_FAILED',
    ],
    ['nothing there', (_path, _request, response) => void response.writeHead(404).end(), 'NOT_AN_IMAGE'],
    [
      'a server that sends less than it says',
      (_path, request, response) => void send(zip.subarray(0, 5000), request, response),
      'ZIP_INVALID',
    ],
  ])('is refused with %s', async (_what, handler, code) => {
    const base = await serve(handler);
    await expect(ImageReader.open(`${base}/main-dev.zip?token=secret`)).rejects.toMatchObject({
      code,
      message: expect.not.stringContaining('secret') as string,
    });
  });

  it('is refused when it was replaced while it was read', async () => {
    let version = 0;
    const base = await serve((_path, request, response) => {
      send(zip, request, response, `"${version++}"`);
    });
    await expect(ImageReader.open(`${base}/main-dev.zip`)).rejects.toMatchObject({
      code: 'HTTP_FAILED',
      message: expect.stringContaining('replaced') as string,
    });
  });
});

describe('a folder on a web server', () => {
  it('deploys, and only the blobs that are needed are fetched', async () => {
    const {base, asked} = await serveFolder();
    await using image = await ImageReader.open(base);
    const parent = await makeTempFolder();
    await deployImage(image, {ecuId: 'main', rootfsDir: join(parent, 'root')});
    expect(listTree(parent).filter((name) => !name.startsWith('root'))).toEqual([]);
    expect(asked.filter((path) => path.includes('/blobs/')).length).toBeLessThanOrEqual(9);
  });

  it('goes on after a lost connection where it was', async () => {
    const files = await sampleFiles();
    const ranges: (string | undefined)[] = [];
    const {base} = await serveFolder((path, request, response) => {
      if (!path.includes('/blobs/')) return;
      ranges.push(request.headers.range);
      if (request.headers.range !== undefined) return;
      const bytes = files.get(path.replace('/image/', '')) ?? Buffer.alloc(0);
      response.writeHead(200, {'content-length': bytes.length});
      response.write(bytes.subarray(0, 100), () => request.socket.destroy());
    });
    await using image = await ImageReader.open(base);
    expect(await image.manifest(image.payload('main'))).toMatchObject({schemaVersion: 2});
    expect(ranges).toEqual([undefined, 'bytes=100-']);
  });

  it('tells which blob is missing or wrong', async () => {
    const {base} = await serveFolder((path, _request, response) => {
      if (path.includes('9f5097f0')) response.writeHead(404).end();
      if (path.includes('30137ca4')) response.writeHead(200).end('x'.repeat(8193));
    });
    await using image = await ImageReader.open(base);
    const {broken} = await verifyResources(image);
    expect(broken.map(({digest, code}) => [digest.slice(0, 8), code])).toEqual([
      ['30137ca4', 'BLOB_CORRUPT'],
      ['9f5097f0', 'BLOB_MISSING'],
    ]);
  });
});
