import {execFileSync} from 'node:child_process';
import {chmodSync, readdirSync, readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {buffer} from 'node:stream/consumers';
import {gzipSync} from 'node:zlib';
import {afterEach, beforeEach, expect, it} from 'vitest';
import {openCache} from '../../../../api/cache/download-cache.ts';
import {RegistryCache} from '../../../../api/registry/registry-cache.ts';
import {makeTempFolder} from '../temp-folder.ts';
import {digestOf, LoopbackRegistry, makeImage, makeIndex, tarOf} from './loopback-registry.ts';

const board = {os: 'linux', architecture: 'arm64', variant: 'v8'};
const images = {
  arm64: makeImage(['base', 'app']),
  amd64: makeImage(['base', 'app'], {architecture: 'amd64'}),
};
const digest = digestOf(images.arm64.manifest);

let registry: LoopbackRegistry;
let folder: string;
let cache: RegistryCache;
let name: string;
beforeEach(async () => {
  registry = await LoopbackRegistry.start();
  registry.addIndex('web', '1', makeIndex(images), Object.values(images));
  folder = await makeTempFolder();
  cache = await open();
  name = `${registry.host}/web:1`;
});
afterEach(() => registry[Symbol.asyncDispose]());

const open = async (where = folder, options?: {offline: boolean}) =>
  new RegistryCache(await openCache({folder: where}), options);

async function archiveOf(from: RegistryCache, image = {name, digest}): Promise<Buffer> {
  await using archive = await from.fetch(image, board);
  const content = await buffer(archive.open());
  expect(content.length).toBe(archive.sizeBytes);
  return content;
}

it('finds the image of the board and makes an archive that engines load, always with the same bytes', async () => {
  expect(await cache.resolve(name, board)).toBe(digest);
  const content = await archiveOf(cache);
  const file = join(folder, 'image.tar');
  writeFileSync(file, content);
  const listing = execFileSync('tar', ['-tf', file], {encoding: 'utf8'}).trim().split('\n');
  expect(listing).toHaveLength(4);
  const [saved] = JSON.parse(execFileSync('tar', ['-xOf', file, 'manifest.json'], {encoding: 'utf8'})) as [
    {Config: string; RepoTags: string[]; Layers: string[]},
  ];
  expect(saved.RepoTags).toEqual([name]);
  const unpack = (path: string) => execFileSync('tar', ['-xOf', file, path]);
  expect(digestOf(unpack(saved.Config)).slice(7)).toBe(saved.Config.replace('blobs/sha256/', ''));
  expect(saved.Layers.map((path) => digestOf(execFileSync('gunzip', {input: unpack(path)})))).toEqual(
    images.arm64.diffIds,
  );
  expect((await archiveOf(await open(await makeTempFolder()))).equals(content)).toBe(true);
});

it('asks for nothing that is there, and has it without a network', async () => {
  const content = await archiveOf(cache);
  registry.requests.length = 0;
  expect((await archiveOf(cache)).equals(content)).toBe(true);
  expect(registry.requests).toEqual([]);
  expect((await archiveOf(await open(folder, {offline: true}))).equals(content)).toBe(true);
  const empty = await open(await makeTempFolder(), {offline: true});
  await expect(empty.fetch({name, digest}, board)).rejects.toMatchObject({
    code: 'IMAGE_UNAVAILABLE',
    message: `the build is offline, and ${registry.host}/web:1@${digest} has not been fetched here before`,
  });
});

it('goes on where it was cut off', async () => {
  registry.intercept = (_request, response, {pathname}) => {
    if (!pathname.endsWith([...images.arm64.blobs.keys()].at(-1) ?? '')) return false;
    response.writeHead(404).end();
    return true;
  };
  await expect(cache.fetch({name, digest}, board)).rejects.toMatchObject({code: 'REGISTRY_FAILED'});
  expect(readdirSync(join(folder, 'partial'))).toEqual([]);
  registry.intercept = () => false;
  registry.requests.length = 0;
  await archiveOf(cache);
  expect(registry.requests).toHaveLength(1);
});

it('brings what has been damaged in the cache anew', async () => {
  await archiveOf(cache);
  const [, layer = ''] = [...images.arm64.blobs.keys()];
  const file = join(folder, 'blobs', layer.slice('sha256:'.length));
  const whole = readFileSync(file);
  chmodSync(file, 0o644);
  writeFileSync(file, Buffer.alloc(whole.length));
  await archiveOf(cache);
  expect(readFileSync(file).equals(whole)).toBe(true);
});

it('names an image that has only a digest by that, because engines load nothing else', async () => {
  const content = await archiveOf(cache, {name: `${registry.host}/web@${digest}`, digest});
  const file = join(folder, 'image.tar');
  writeFileSync(file, content);
  expect(execFileSync('tar', ['-xOf', file, 'manifest.json'], {encoding: 'utf8'})).toContain(
    `${registry.host}/web:${digest.replace(':', '-')}`,
  );
});

it('is refused where it is for another machine, whether an index says so or only the image', async () => {
  registry.addIndex('other', '1', makeIndex({amd64: images.amd64}), [images.amd64]);
  registry.add('plain', '1', images.amd64);
  await expect(cache.resolve(`${registry.host}/other:1`, board)).rejects.toMatchObject({
    message: `${registry.host}/other:1 does not exist for linux/arm64/v8`,
  });
  await expect(cache.resolve(`${registry.host}/plain:1`, board)).rejects.toMatchObject({
    message: `${registry.host}/plain:1 is for linux/amd64, not for linux/arm64/v8`,
  });
});

it('is refused where a layer is not what the image says', async () => {
  const other = gzipSync(tarOf('other', 'other'));
  const config = JSON.stringify({
    architecture: 'arm64',
    os: 'linux',
    rootfs: {type: 'layers', diff_ids: [`sha256:${'0'.repeat(64)}`]},
  });
  const describe = (content: Buffer) => ({mediaType: 'x', digest: digestOf(content), size: content.length});
  const manifest = Buffer.from(
    JSON.stringify({schemaVersion: 2, config: describe(Buffer.from(config)), layers: [describe(other)]}),
  );
  const blobs = new Map([Buffer.from(config), other].map((blob) => [digestOf(blob), blob]));
  registry.add('bad', '1', {manifest, blobs, diffIds: []});
  const bad = {name: `${registry.host}/bad:1`, digest: digestOf(manifest)};
  await expect(cache.fetch(bad, board)).rejects.toMatchObject({
    code: 'REGISTRY_FAILED',
    message: expect.stringContaining('unpacks to other content') as string,
  });
});

it('has a place in the cache, which its policy rules', async () => {
  await archiveOf(cache);
  const store = await openCache({folder});
  expect(await store?.list()).toMatchObject([
    {kind: 'oci_image', source: name, validator: {digest}, sizeBytes: expect.any(Number) as number},
  ]);

  const none = await makeTempFolder();
  writeFileSync(join(none, 'policy.yaml'), 'oci_images: {filters: [{pattern: web, ignore: true}]}\n');
  expect((await archiveOf(await open(none))).equals(await archiveOf(cache))).toBe(true);
  expect(await (await openCache({folder: none}))?.list()).toEqual([]);
});

it('is made without a cache, too', async () => {
  expect((await archiveOf(new RegistryCache(undefined))).equals(await archiveOf(cache))).toBe(true);
});
