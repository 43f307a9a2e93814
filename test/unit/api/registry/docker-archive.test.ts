import {execFileSync} from 'node:child_process';
import {mkdirSync, readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {gzipSync} from 'node:zlib';
import {beforeEach, describe, expect, it} from 'vitest';
import {
  checkBundleImages,
  makeBundleImages,
  type BundleImagesOptions,
} from '../../../../api/bundle/images.ts';
import {readDockerArchive} from '../../../../api/registry/docker-archive.ts';
import {makeTempFolder} from '../temp-folder.ts';
import {digestOf, LoopbackRegistry, makeImage, makeIndex, type TestImage} from './loopback-registry.ts';

const app = makeImage(['base', 'app']);
const init = makeImage(['base', 'init'], {pack: (tar) => tar});

let folder: string;
beforeEach(async () => {
  folder = await makeTempFolder();
});

function describeBundle(...images: readonly string[]): string {
  const file = join(folder, 'b_1.0.0.yaml');
  const containers = images.map((image, index) => `  - spec: {name: c${index}, image: '${image}'}`);
  writeFileSync(
    file,
    `apiVersion: v1\nid: b\nname: b\nversion: 1.0.0\ntype: base\nkukaLinuxVersion: '*'\ncontainers:\n${containers.join('\n')}\n`,
  );
  return file;
}

/** The two images as an OCI layout. */
function writeLayout(images: Readonly<Record<string, TestImage>>): string {
  const layout = join(folder, 'layout');
  const blobs = join(layout, 'blobs', 'sha256');
  mkdirSync(blobs, {recursive: true});
  const put = (content: Buffer) => {
    writeFileSync(join(blobs, digestOf(content).slice(7)), content);
  };
  const manifests = Object.entries(images).map(([name, image]) => {
    put(image.manifest);
    for (const blob of image.blobs.values()) put(blob);
    return {
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      digest: digestOf(image.manifest),
      size: image.manifest.length,
      annotations: {'org.opencontainers.image.ref.name': name},
    };
  });
  writeFileSync(join(layout, 'index.json'), JSON.stringify({schemaVersion: 2, manifests}));
  writeFileSync(join(layout, 'oci-layout'), '{"imageLayoutVersion": "1.0.0"}');
  return layout;
}

it('one archive has all images, each layer once, and the same bytes from a registry and from a layout', async () => {
  await using registry = await LoopbackRegistry.start();
  registry.addIndex('app', '1', makeIndex({arm64: app}), [app]);
  registry.add('init', '2', init);
  const names = [`${registry.host}/app:1`, `${registry.host}/init:2`];
  const file = describeBundle(...names, names[0] ?? '');
  const made = await makeBundleImages({file, origin: {kind: 'registry'}});
  expect(made.file).toBe(join(folder, 'b_1.0.0_images.tar.gz'));
  const listed = execFileSync('tar', ['-tzf', made.file]).toString().trim().split('\n');
  expect(listed.filter((name) => name.endsWith('.tar'))).toHaveLength(3);
  expect(listed.at(-1)).toBe('manifest.json');

  const images = await readDockerArchive(made.file);
  expect(images.flatMap((image) => image.names).sort()).toEqual(names.sort());
  expect(images.map(({platform}) => platform)).toEqual(['linux/arm64', 'linux/arm64']);

  const layout = writeLayout({[names[0] ?? '']: app, [names[1] ?? '']: init});
  const output = join(folder, 'other.tar.gz');
  await makeBundleImages({file, origin: {kind: 'layout', folder: layout}, output});
  expect(readFileSync(output).equals(readFileSync(made.file))).toBe(true);
  // Nothing but the results is left.
  expect(execFileSync('ls', ['-A', folder]).toString().trim().split('\n')).toEqual([
    'b_1.0.0.yaml',
    'b_1.0.0_images.tar.gz',
    'layout',
    'other.tar.gz',
  ]);

  expect(await checkBundleImages({file})).toMatchObject({missing: [], extra: []});
  expect(await checkBundleImages({file: describeBundle(names[0] ?? '', 'r.example/new:1')})).toMatchObject({
    missing: ['r.example/new:1'],
    extra: [`${registry.host}/init:2`],
  });
});

describe('an archive is not made', () => {
  let registry: LoopbackRegistry;
  const make = (image: string, options: Partial<BundleImagesOptions> = {}) =>
    makeBundleImages({
      file: describeBundle(`${registry.host}/${image}`),
      origin: {kind: 'registry'},
      ...options,
    });
  beforeEach(async () => {
    registry = await LoopbackRegistry.start();
    registry.add('app', '1', app);
    return () => registry[Symbol.asyncDispose]();
  });

  it('from layers that are not those of the configuration', async () => {
    // A manifest with right digests throughout, whose layer is that of another image.
    const value = JSON.parse(app.manifest.toString()) as {layers: unknown[]};
    value.layers.reverse();
    registry.manifests.set('app:1', Buffer.from(JSON.stringify(value)));
    await expect(make('app:1')).rejects.toThrow(/unpacks to other content/);
  });

  it('for another platform than asked for', async () => {
    await expect(make('app:1', {platform: {os: 'linux', architecture: 'amd64'}})).rejects.toThrow(
      /is for linux\/arm64, not for linux\/amd64/,
    );
  });

  it('from gzip data that is damaged, although its digest is right', async () => {
    const broken = makeImage(['x'], {pack: (tar) => gzipSync(tar).subarray(0, -12)});
    registry.add('broken', '1', broken);
    await expect(make('broken:1')).rejects.toThrow(/gzip data is damaged/);
    expect(execFileSync('ls', ['-A', folder]).toString().trim()).toBe('b_1.0.0.yaml');
  });

  it('over another one without force', async () => {
    await make('app:1');
    await expect(make('app:1')).rejects.toMatchObject({code: 'OUTPUT_EXISTS'});
    await make('app:1', {force: true});
  });

  it('without a warning when an image has nothing but a digest', async () => {
    const {warnings, images} = await make(`app@${digestOf(app.manifest)}`);
    expect(warnings).toEqual([expect.stringContaining('named by its digest, which an archive cannot carry')]);
    expect(images[0]?.manifestDigest).toBe(digestOf(app.manifest));
    expect((await readDockerArchive(join(folder, 'b_1.0.0_images.tar.gz')))[0]?.names).toEqual([]);
  });
});

describe('a damaged archive', () => {
  it.each<[string, (unpacked: string) => void, RegExp]>([
    [
      'a changed layer',
      (path) => {
        writeFileSync(join(path, `${app.diffIds[0]?.slice(7) ?? ''}.tar`), 'x');
      },
      /has other content/,
    ],
    [
      'a lost layer',
      (path) => {
        execFileSync('rm', [join(path, `${app.diffIds[1]?.slice(7) ?? ''}.tar`)]);
      },
      /lacks the layer/,
    ],
    [
      'no manifest',
      (path) => {
        execFileSync('rm', [join(path, 'manifest.json')]);
      },
      /has no manifest\.json/,
    ],
  ])('with %s is refused', async (_name, damage, message) => {
    await using registry = await LoopbackRegistry.start();
    registry.add('app', '1', app);
    const file = describeBundle(`${registry.host}/app:1`);
    const {file: archive} = await makeBundleImages({file, origin: {kind: 'registry'}});
    const unpacked = join(folder, 'unpacked');
    mkdirSync(unpacked);
    execFileSync('tar', ['-xzf', archive, '-C', unpacked]);
    damage(unpacked);
    execFileSync('tar', ['-czf', archive, '-C', unpacked, '.']);
    await expect(checkBundleImages({file})).rejects.toMatchObject({
      code: 'BUNDLE_INVALID',
      message: expect.stringMatching(message) as string,
    });
  });
});
