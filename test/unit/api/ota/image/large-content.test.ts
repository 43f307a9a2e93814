import {createHash} from 'node:crypto';
import {createReadStream} from 'node:fs';
import {writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {describe, expect, it} from 'vitest';
import {deployImage} from '../../../../../api/ota/image/deploy/deploy-image.ts';
import type {Filter} from '../../../../../api/ota/image/model/filter.ts';
import {ImageReader} from '../../../../../api/ota/image/read/image-reader.ts';
import {maxWholeSize} from '../../../../../api/ota/image/zstd/decompress.ts';
import {makeTempFolder} from '../../temp-folder.ts';
import {compress, listTree, resourceOf, writeImage, type TestImage} from './image-rig.ts';

/** Larger than what is decompressed in one piece, and not the same all over. */
const large = Buffer.alloc(maxWholeSize + 1000, 'twelve bytes');
large.writeUInt32LE(0xdeadbeef, maxWholeSize + 500);
const frame = compress(large);
const compressed: Filter = {kind: 'compress', id: 1, algorithm: 'zstd'};

async function deploy(
  image: TestImage,
  options: {signal?: AbortSignal; spoil?: (blobs: string) => void} = {},
) {
  const folder = join(await makeTempFolder(), 'image');
  writeImage(folder, {entries: [{path: '/file', resource: 0}], fileResources: [resourceOf(large)], ...image});
  options.spoil?.(join(folder, 'blobs/sha256'));
  const parent = await makeTempFolder();
  await using reader = await ImageReader.open(folder);
  const {signal} = options;
  const work = deployImage(reader, {ecuId: 'main', rootfsDir: join(parent, 'root'), workers: 0, signal});
  return {
    parent,
    outcome: await work.then(
      () => 'done',
      (error: unknown) => error,
    ),
  };
}

async function hashOf(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const piece of createReadStream(file)) hash.update(piece as Buffer);
  return hash.digest('hex');
}

describe('a file that is not kept in memory', () => {
  it('is decompressed while it is written', async () => {
    const image = {blobs: [frame], resources: [resourceOf(frame), resourceOf(large, compressed)]};
    const {parent, outcome} = await deploy(image);
    expect(outcome).toBe('done');
    expect(await hashOf(join(parent, 'root/file'))).toBe(resourceOf(large).digest);
  });

  it('is cut out of a bundle that is not either', async () => {
    const member = large.subarray(maxWholeSize - 3000, maxWholeSize + 900);
    const {parent, outcome} = await deploy({
      blobs: [frame],
      resources: [
        resourceOf(frame),
        resourceOf(large, compressed),
        resourceOf(member, {kind: 'bundle', id: 2, offset: maxWholeSize - 3000, length: member.length}),
      ],
      fileResources: [resourceOf(member)],
    });
    expect(outcome).toBe('done');
    expect(await hashOf(join(parent, 'root/file'))).toBe(resourceOf(member).digest);
    expect(listTree(parent)).toEqual(['root', 'root/file']);
  });

  it.each<[string, TestImage]>([
    [
      'gives more than the table says',
      {
        resources: [resourceOf(frame), {...resourceOf(large, compressed), size: large.length - 1}],
        fileResources: [{...resourceOf(large), size: large.length - 1}],
      },
    ],
    [
      'gives less',
      {
        resources: [resourceOf(frame), {...resourceOf(large, compressed), size: large.length + 1}],
        fileResources: [{...resourceOf(large), size: large.length + 1}],
      },
    ],
    [
      'gives something else',
      {
        resources: [resourceOf(frame), {...resourceOf(large, compressed), digest: '1'.repeat(64)}],
        fileResources: [{...resourceOf(large), digest: '1'.repeat(64)}],
      },
    ],
  ])('is refused when it %s, and nothing is left', async (_what, image) => {
    const {parent, outcome} = await deploy({blobs: [frame], ...image});
    expect(outcome).toMatchObject({code: 'BLOB_CORRUPT'});
    expect(listTree(parent)).toEqual([]);
  });

  it('is refused when its frame ends too early', async () => {
    const cut = frame.subarray(0, -100);
    const {parent, outcome} = await deploy({
      blobs: [cut],
      resources: [resourceOf(cut), resourceOf(large, compressed)],
    });
    expect(outcome).toMatchObject({code: 'ZSTD_INVALID'});
    expect(listTree(parent)).toEqual([]);
  });
});

it('leaves nothing when it is stopped', async () => {
  const text = Buffer.alloc(1000, 'text');
  const image = {blobs: [text], resources: [resourceOf(text)], fileResources: [resourceOf(text)]};
  const stop = new AbortController();
  const {parent, outcome} = await deploy(image, {
    signal: stop.signal,
    spoil: (blobs) => {
      writeFileSync(join(blobs, 'tmp_x'), '');
      stop.abort();
    },
  });
  expect(outcome).toMatchObject({name: 'AbortError'});
  expect(listTree(parent)).toEqual([]);
});
