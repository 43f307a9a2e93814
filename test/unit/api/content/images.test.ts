import {writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {expect, test} from 'vitest';
import {createContentImage} from '../../../../api/content/create-content-image.ts';
import {getOciSizes} from '../../../../api/content/oci-sizes.ts';
import {readDockerArchive} from '../../../../api/registry/docker-archive.ts';
import {zstdCompressSync} from './pack.ts';
import {LoopbackRegistry, makeImage} from '../registry/loopback-registry.ts';
import {makeTempFolder} from '../temp-folder.ts';
import {makeBase, readImage} from './rig.ts';

test('container images become archives on the device, each layer fetched once for all of them and all runs', async () => {
  const folder = await makeTempFolder();
  await makeBase(join(folder, 'base.img'));
  await using registry = await LoopbackRegistry.start();
  const one = makeImage(['shared', 'one']);
  const two = makeImage(['shared', 'two']);
  const packed = makeImage(['packed'], {pack: (tar) => zstdCompressSync(tar, folder)});
  const plain = makeImage(['plain'], {pack: (tar) => tar});
  for (const [name, image] of Object.entries({one, two, packed, plain})) registry.add(name, 'v1', image);
  const digest =
    [...registry.manifests.keys()].find((key) => key.startsWith('plain:sha256'))?.slice('plain:'.length) ??
    '';
  const names = ['one:v1', 'two:v1', 'packed:v1', `plain@${digest}`].map(
    (name) => `${registry.host}/${name}`,
  );
  const config = join(folder, 'image.yaml');
  await writeFile(config, `base: ./base.img\noci_images: [${names.map((name) => `"${name}"`).join(', ')}]\n`);
  const create = (output: string) =>
    createContentImage({
      config,
      output: join(folder, output),
      cacheDir: join(folder, 'cache'),
      sourceDateEpoch: 1_700_000_000,
    });

  const first = await create('first.img');
  expect(first.receivedBytes).toBeGreaterThan(0);
  const blobs = () => registry.requests.filter((path) => path.includes('/blobs/'));
  expect(new Set(blobs().map((path) => path.split('/').at(-1))).size).toBe(blobs().length);
  const image = await readImage(join(folder, 'first.img'));
  expect(image.complaints).toBe('');
  const host = registry.host.replace(':', '');
  for (const [index, [name, of]] of (
    [
      ['one_v1', one],
      ['two_v1', two],
      ['packed_v1', packed],
    ] as const
  ).entries()) {
    const tar = join(folder, `${name}.tar`);
    await writeFile(tar, image.data.get(`/images/${host}_${name}_linuxarm64v8.tar`)?.content ?? '');
    const [held] = await readDockerArchive(tar);
    expect(held).toMatchObject({names: [names[index]], platform: 'linux/arm64', layers: of.diffIds.length});
    // What the helper says is what a configuration may say.
    const sizes = await getOciSizes(names[index] ?? '', {});
    expect(sizes).toEqual(await getOciSizes(tar));
    expect(sizes).toMatchObject({
      ident: names[index],
      filesize: image.data.get(`/images/${host}_${name}_linuxarm64v8.tar`)?.content?.length,
    });
    expect(sizes.fullsize).toBeLessThan(sizes.filesize);
  }
  // The device asks every archive for its name.
  const byDigest = [...image.data].find(([path]) => path.includes('plain_sha256'));
  await writeFile(join(folder, 'plain.tar'), byDigest?.[1].content ?? '');
  expect((await readDockerArchive(join(folder, 'plain.tar')))[0]?.names).toEqual([
    `${registry.host}/plain:${digest.replace(':', '-')}`,
  ]);

  const before = blobs().length;
  const second = await create('second.img');
  expect([second.receivedBytes, blobs().length]).toEqual([0, before]);
  expect((await readImage(join(folder, 'second.img'))).sha256).toBe(image.sha256);
});
