import {afterEach, beforeEach, describe, expect, it} from 'vitest';
import {parseChallenge} from '../../../../api/registry/authentication.ts';
import type {Login} from '../../../../api/registry/credentials.ts';
import type {ImageManifest} from '../../../../api/registry/image-source.ts';
import {parseImageReference, type ImageReference} from '../../../../api/registry/reference.ts';
import {RegistryClient} from '../../../../api/registry/registry-client.ts';
import {digestOf, LoopbackRegistry, makeImage, makeIndex} from './loopback-registry.ts';

const arm64 = {os: 'linux', architecture: 'arm64'};
const image = makeImage(['a', 'b']);
const other = makeImage(['c'], {architecture: 'amd64'});

let registry: LoopbackRegistry;
let client: RegistryClient;
let credentials: Login | undefined;
beforeEach(async () => {
  registry = await LoopbackRegistry.start();
  registry.add('team/app', '1', image);
  credentials = undefined;
  client = new RegistryClient({credentials: () => Promise.resolve(credentials)});
});
afterEach(async () => {
  await client[Symbol.asyncDispose]();
  await registry[Symbol.asyncDispose]();
});

function named(rest: string): ImageReference {
  const reference = parseImageReference(`${registry.host}/${rest}`);
  if (reference === undefined) throw new Error(`${rest} is no reference`);
  return reference;
}

async function read(manifest: ImageManifest, index: number): Promise<Buffer> {
  const layer = manifest.layers[index];
  if (layer === undefined) throw new Error('there is no such layer');
  const pieces: Uint8Array[] = [];
  for await (const piece of client.openBlob(manifest, layer)) pieces.push(piece);
  return Buffer.concat(pieces);
}

describe('resolve', () => {
  it('finds an image by tag and by digest, and its blobs', async () => {
    for (const rest of ['team/app:1', `team/app@${digestOf(image.manifest)}`]) {
      const manifest = await client.resolve(named(rest), arm64);
      expect(manifest.digest).toBe(digestOf(image.manifest));
      expect(digestOf(await read(manifest, 1))).toBe(manifest.layers[1]?.digest);
    }
  });

  it('chooses the platform from an index', async () => {
    registry.addIndex('multi', 'latest', makeIndex({amd64: other, arm64: image}), [other, image]);
    expect((await client.resolve(named('multi'), arm64)).digest).toBe(digestOf(image.manifest));
    expect((await client.resolve(named('multi'), {os: 'linux', architecture: 'amd64'})).digest).toBe(
      digestOf(other.manifest),
    );
    await expect(
      client.resolve(named('multi'), {os: 'linux', architecture: 'riscv64'}),
    ).rejects.toMatchObject({
      code: 'REGISTRY_FAILED',
      hint: 'There is: linux/amd64, linux/arm64.',
    });
  });

  it('says what is missing', async () => {
    await expect(client.resolve(named('team/app:2'), arm64)).rejects.toMatchObject({
      code: 'REGISTRY_FAILED',
      message: `the registry ${registry.host} has no image ${registry.host}/team/app:2`,
    });
  });

  it.each([
    ['not JSON', 'hello', /is not JSON/],
    ['another version', '{"schemaVersion": 1}', /is not understood/],
    [
      'a digest that is a path',
      '{"schemaVersion":2,"config":{"digest":"sha256:../../x","size":1},"layers":[]}',
      /is not understood/,
    ],
    ['endless', `"${'x'.repeat(5 * 1024 * 1024)}"`, /larger than 4 MiB/],
  ])('refuses a manifest that is %s', async (_name, content, message) => {
    registry.manifests.set('team/app:bad', Buffer.from(content));
    await expect(client.resolve(named('team/app:bad'), arm64)).rejects.toThrow(message);
  });

  it('refuses an answer that is not what the digest asks for', async () => {
    registry.manifests.set(`team/app:${digestOf(image.manifest)}`, other.manifest);
    await expect(client.resolve(named(`team/app@${digestOf(image.manifest)}`), arm64)).rejects.toThrow(
      /answered with another manifest/,
    );
  });
});

describe('openBlob', () => {
  it.each<[string, (blob: Buffer) => Buffer, RegExp]>([
    [
      'changed',
      (blob) => Buffer.concat([blob.subarray(0, -1), Buffer.from('x')]),
      /arrived with other content/,
    ],
    ['shorter', (blob) => blob.subarray(0, -1), /ended after \d+ of \d+ bytes/],
    ['longer', (blob) => Buffer.concat([blob, Buffer.from('x')]), /has more than the \d+ bytes/],
  ])('refuses a blob that is %s', async (_name, change, message) => {
    const manifest = await client.resolve(named('team/app:1'), arm64);
    const {digest = ''} = manifest.layers[0] ?? {};
    registry.blobs.set(digest, change(registry.blobs.get(digest) ?? Buffer.alloc(0)));
    await expect(read(manifest, 0)).rejects.toThrow(message);
  });

  it('follows a redirect to another host without taking the password along', async () => {
    await using store = await LoopbackRegistry.start();
    const manifest = await client.resolve(named('team/app:1'), arm64);
    for (const [digest, blob] of image.blobs) store.blobs.set(digest, blob);
    credentials = {username: 'me', password: 'secret'};
    registry.intercept = (request, response, url) => {
      if (request.headers.authorization === undefined) {
        response.writeHead(401, {'www-authenticate': 'Basic realm="x"'}).end();
      } else {
        response.writeHead(307, {location: `http://${store.host}${url.pathname}`}).end();
      }
      return true;
    };
    expect(digestOf(await read(manifest, 0))).toBe(manifest.layers[0]?.digest);
    expect(store.requests).toEqual([`/v2/team/app/blobs/${manifest.layers[0]?.digest ?? ''}`]);
  });

  it('goes on where a connection broke', async () => {
    const manifest = await client.resolve(named('team/app:1'), arm64);
    let broken = 0;
    registry.intercept = (request, response, url) => {
      const blob = registry.blobs.get(url.pathname.split('/').at(-1) ?? '');
      if (blob === undefined) return false;
      const [, from] = /bytes=(\d+)-/.exec(request.headers.range ?? '') ?? [];
      if (broken++ === 0) {
        response.writeHead(200, {'content-length': blob.length, etag: '"1"'});
        response.write(blob.subarray(0, 20), () => response.destroy());
      } else {
        const start = Number(from ?? 0);
        response
          .writeHead(206, {
            etag: '"1"',
            'content-length': blob.length - start,
            'content-range': `bytes ${start}-${blob.length - 1}/${blob.length}`,
          })
          .end(blob.subarray(start));
      }
      return true;
    };
    expect(digestOf(await read(manifest, 0))).toBe(manifest.layers[0]?.digest);
    expect(broken).toBe(2);
  });
});

describe('authentication', () => {
  const askForToken = (realm: string) =>
    `Bearer realm="${realm}",service="test",scope="repository:team/app:pull"`;

  it.each([undefined, {username: 'me', password: 'se:cret'}])('gets a token as %j', async (who) => {
    credentials = who;
    const asked: (string | undefined)[] = [];
    registry.intercept = (request, response, url) => {
      if (url.pathname === '/token') {
        asked.push(request.headers.authorization, url.searchParams.get('scope') ?? '');
        response.writeHead(200).end('{"token": "t0ken"}');
        return true;
      }
      if (request.headers.authorization === 'Bearer t0ken') return false;
      response.writeHead(401, {'www-authenticate': askForToken(`http://${registry.host}/token`)}).end();
      return true;
    };
    const manifest = await client.resolve(named('team/app:1'), arm64);
    await read(manifest, 0);
    const basic = who && `Basic ${Buffer.from(`${who.username}:${who.password}`).toString('base64')}`;
    // Once: the token is kept.
    expect(asked).toEqual([basic, 'repository:team/app:pull']);
  });

  it('exchanges the token of a login for one', async () => {
    credentials = {identityToken: 'long'};
    const asked: string[] = [];
    registry.intercept = (request, response, url) => {
      if (url.pathname === '/token') {
        request.on('data', (body: Buffer) =>
          asked.push(`${request.method ?? ''}${url.search} ${body.toString()}`),
        );
        request.on('end', () => response.writeHead(200).end('{"access_token": "t0ken"}'));
        return true;
      }
      if (request.headers.authorization === 'Bearer t0ken') return false;
      response.writeHead(401, {'www-authenticate': askForToken(`http://${registry.host}/token`)}).end();
      return true;
    };
    await client.resolve(named('team/app:1'), arm64);
    expect(asked).toEqual([
      'POST grant_type=refresh_token&refresh_token=long&client_id=hypriotkit&service=test&scope=repository%3Ateam%2Fapp%3Apull',
    ]);
  });

  it('says that a login is needed', async () => {
    registry.intercept = (_request, response) => {
      response.writeHead(401, {'www-authenticate': 'Basic realm="x"'}).end();
      return true;
    };
    await expect(client.resolve(named('team/app:1'), arm64)).rejects.toMatchObject({
      code: 'REGISTRY_FAILED',
      hint: expect.stringContaining('docker login') as string,
    });
  });

  it('reads challenges in any order and quoting', () => {
    const challenge = parseChallenge('Negotiate, Bearer service=reg , realm="https://a/t\\"x",error="x"');
    expect(challenge?.scheme).toBe('bearer');
    expect([...(challenge?.parameters ?? [])]).toEqual([
      ['service', 'reg'],
      ['realm', 'https://a/t"x'],
      ['error', 'x'],
    ]);
    expect(parseChallenge('Digest realm="x"')).toBeUndefined();
  });
});

it('a registry that is not there is said to be unreachable', async () => {
  const reference = parseImageReference('127.0.0.1:9/a');
  await expect(client.resolve(reference ?? named('a'), arm64)).rejects.toMatchObject({
    code: 'REGISTRY_FAILED',
    message: expect.stringContaining('127.0.0.1:9 cannot be reached') as string,
  });
});
