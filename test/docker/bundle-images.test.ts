import {execFileSync} from 'node:child_process';
import {createHash} from 'node:crypto';
import {readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {afterAll, beforeAll, expect, it} from 'vitest';
import {checkBundleImages, makeBundleImages} from '../../api/bundle/images.ts';
import {makeTempFolder} from '../unit/api/temp-folder.ts';
import {LoopbackRegistry, makeImage} from '../unit/api/registry/loopback-registry.ts';

const tag = 'hypriotkit-test/bundle-images';
const docker = (...args: string[]) =>
  execFileSync('docker', args, {stdio: ['pipe', 'pipe', 'pipe']})
    .toString()
    .trim();
const removeImages = () => {
  const names = docker(
    'images',
    '--quiet',
    '--no-trunc',
    '--filter',
    `reference=*/${tag}*`,
    '--filter',
    `reference=${tag}*`,
  );
  for (const id of new Set(names.split('\n').filter((line) => line !== ''))) docker('rmi', '--force', id);
};
beforeAll(removeImages);
afterAll(removeImages);

/** Two images with a layer in common. */
const images = {
  a: makeImage(['base', 'app'], {architecture: 'amd64'}),
  b: makeImage(['base', 'init'], {architecture: 'amd64'}),
};

it('an archive from a registry is loaded by the engine, and the engine gives the same archive', async () => {
  const folder = await makeTempFolder();
  await using registry = await LoopbackRegistry.start();
  for (const [name, image] of Object.entries(images)) registry.add(`${tag}-${name}`, '1', image);
  const references = Object.keys(images).map((name) => `${registry.host}/${tag}-${name}:1`);
  const file = join(folder, 'b_1.0.0.yaml');
  const containers = references
    .map((image, index) => `  - spec: {name: c${index}, image: '${image}'}\n`)
    .join('');
  writeFileSync(
    file,
    `apiVersion: v1\nid: b\nname: b\nversion: 1.0.0\ntype: base\nkukaLinuxVersion: '*'\ncontainers:\n${containers}`,
  );
  const platform = {os: 'linux', architecture: 'amd64'};
  const made = await makeBundleImages({file, origin: {kind: 'registry'}, platform});

  docker('load', '--input', made.file);
  for (const [index, reference] of references.entries()) {
    expect(docker('image', 'inspect', '--format', '{{.Id}}', reference)).toBe(made.images[index]?.id);
  }

  // Uncompressed: skopeo of Debian 12 reads 8 bytes of a gzip'd archive, whoever made it.
  const plain = join(folder, 'plain.tar');
  await makeBundleImages({file, origin: {kind: 'registry'}, platform, output: plain});
  for (const [index, reference] of references.entries()) {
    const config = execFileSync('skopeo', [
      'inspect',
      '--config',
      '--raw',
      `docker-archive:${plain}:${reference}`,
    ]);
    expect(`sha256:${createHash('sha256').update(config).digest('hex')}`).toBe(made.images[index]?.id);
  }

  const output = join(folder, 'from-engine.tar.gz');
  await makeBundleImages({file, origin: {kind: 'engine'}, platform, output});
  expect(readFileSync(output).equals(readFileSync(made.file))).toBe(true);
  // What the engine itself saves is read, too.
  const saved = join(folder, 'saved.tar');
  docker('save', '--output', saved, ...references);
  expect(await checkBundleImages({file, output: saved})).toMatchObject({missing: [], extra: []});

  const other = {os: 'linux', architecture: 'arm64'};
  await expect(
    makeBundleImages({file, origin: {kind: 'engine'}, platform: other, output, force: true}),
  ).rejects.toMatchObject({
    code: 'IMAGE_UNAVAILABLE',
    message: expect.stringContaining('for linux/amd64, not for linux/arm64') as string,
  });
  docker('rmi', ...references);
  await expect(makeBundleImages({file, origin: {kind: 'engine'}, output, force: true})).rejects.toMatchObject(
    {code: 'IMAGE_UNAVAILABLE'},
  );
});
