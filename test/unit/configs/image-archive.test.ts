import {mkdtemp, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {gzipSync} from 'node:zlib';
import {afterEach, beforeEach, describe, expect, it} from 'vitest';
import {writeTar} from '../../../api/docker/tar.ts';
import {findImageArchiveProblem} from '../../../configs/image-archive.ts';

let folder: string;
let file: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hypriotkit-archive-'));
  file = join(folder, 'image.tar');
});

afterEach(async () => {
  await rm(folder, {recursive: true});
});

async function problemOf(files: Record<string, unknown>, pack: (tar: Buffer) => Buffer = (tar) => tar) {
  const entries = Object.entries(files).map(([name, content]) => ({
    name,
    content: Buffer.isBuffer(content) ? content : Buffer.from(JSON.stringify(content)),
  }));
  await writeFile(file, pack(await writeTar(entries)));
  return findImageArchiveProblem(file, 'arm64');
}

const docker = (architecture: string) => ({
  'layer/layer.tar': Buffer.alloc(1024 ** 2),
  'abc.json': {architecture, os: 'linux'},
  'manifest.json': [{Config: 'abc.json', RepoTags: ['web:1'], Layers: ['layer/layer.tar']}],
});

const oci = (architecture: string) => ({
  'oci-layout': {imageLayoutVersion: '1.0.0'},
  'index.json': {schemaVersion: 2, manifests: [{digest: 'sha256:aa'}]},
  'blobs/sha256/aa': {config: {digest: 'sha256:bb'}, layers: []},
  'blobs/sha256/bb': {architecture, os: 'linux'},
});

describe.each([
  ['of docker save', docker],
  ['with an OCI layout', oci],
])('an archive %s', (_, make) => {
  it('for arm64 is right, with and without gzip', async () => {
    expect(await problemOf(make('arm64'))).toBeUndefined();
    expect(await problemOf(make('arm64'), gzipSync)).toBeUndefined();
  });

  it('for another machine is not', async () => {
    expect(await problemOf(make('amd64'))).toBe('is an image for amd64, but the card needs one for arm64');
  });

  it('that lacks its description is not', async () => {
    const files: Record<string, unknown> = make('arm64');
    delete files['abc.json'];
    delete files['blobs/sha256/bb'];
    expect(await problemOf(files)).toMatch(
      /the description of an image, (abc.json|blobs\/sha256\/bb), is missing/,
    );
  });
});

describe('what is no archive of an image', () => {
  it.each<[string, Buffer]>([
    ['nothing', Buffer.alloc(0)],
    ['a text', Buffer.from('hello')],
    ['a broken gzip', Buffer.concat([Buffer.from([0x1f, 0x8b]), Buffer.alloc(100, 7)])],
    ['noise', Buffer.alloc(100_000, 'noise')],
  ])('%s', async (_, content) => {
    await writeFile(file, content);
    expect(await findImageArchiveProblem(file, 'arm64')).toMatch(/no complete tar archive/);
  });

  it('an archive that was cut off', async () => {
    await problemOf(docker('arm64'), (tar) => tar.subarray(0, 700_000));
    expect(await findImageArchiveProblem(file, 'arm64')).toMatch(/no complete tar archive/);
  });

  it.each<[string, Record<string, unknown>]>([
    ['other files', {'a.txt': 'x'}],
    ['a manifest of another kind', {'manifest.json': {schemaVersion: 2}}],
    ['a manifest that is not JSON', {'manifest.json': Buffer.from('{')}],
    ['an index without manifests', {'index.json': {manifests: []}}],
    ['an index that leads nowhere', {'index.json': {manifests: [{digest: 'sha256:aa'}]}}],
  ])('%s', async (_, files) => {
    expect(await problemOf(files)).toMatch(/no manifest.json and no index.json/);
  });
});
