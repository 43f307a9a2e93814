import {randomBytes} from 'node:crypto';
import {readdirSync, unlinkSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {describe, expect, it} from 'vitest';
import {deployImage} from '../../../../../api/ota/image/deploy/deploy-image.ts';
import {sha256Hex} from '../../../../../api/ota/image/model/digest.ts';
import {ImageReader} from '../../../../../api/ota/image/read/image-reader.ts';
import {verifyResources} from '../../../../../api/ota/image/verify/verify-resources.ts';
import {makeTempFolder} from '../../temp-folder.ts';
import {
  compress,
  listTree,
  makeDatabase,
  resourceOf,
  writeImage,
  type TestEntry,
  type TestImage,
} from './image-rig.ts';

const text = Buffer.from('a file that is longer than the sixty-four bytes which a table may hold itself\n');
const frame = compress(text);
const claim = {digest: sha256Hex(text), size: text.length};
const file: TestEntry = {path: '/file', resource: 0};

/** Deploys an image; also proves that nothing is left when it fails. */
async function deploy(image: TestImage, spoil: (folder: string) => void = () => undefined): Promise<string> {
  const parent = await makeTempFolder();
  const folder = join(await makeTempFolder(), 'image');
  writeImage(folder, {fileResources: [claim], entries: [file], ...image});
  spoil(folder);
  const rootfsDir = join(parent, 'root');
  try {
    await using reader = await ImageReader.open(folder);
    await deployImage(reader, {ecuId: 'main', rootfsDir, workers: 0});
  } catch (error) {
    expect(listTree(parent)).toEqual([]);
    throw error;
  }
  return rootfsDir;
}

describe('a resource is deployed', () => {
  it.each<[string, TestImage]>([
    ['as a blob', {blobs: [text], resources: [claim]}],
    [
      'from a compressed blob',
      {
        blobs: [frame],
        resources: [resourceOf(frame), {...claim, filter: {kind: 'compress', id: 1, algorithm: 'zstd'}}],
      },
    ],
    [
      'from a bundle',
      {
        blobs: [Buffer.concat([frame, text, frame])],
        resources: [
          resourceOf(Buffer.concat([frame, text, frame])),
          {...claim, filter: {kind: 'bundle', id: 1, offset: frame.length, length: text.length}},
        ],
      },
    ],
  ])('%s', async (_what, image) => {
    const root = await deploy(image);
    expect(listTree(root)).toEqual(['file']);
  });

  it('from slices of which one is there twice', async () => {
    const slice = randomBytes(1000);
    const whole = Buffer.concat([slice, slice, slice]);
    const root = await deploy({
      blobs: [slice],
      resources: [resourceOf(slice), resourceOf(whole, {kind: 'slice', ids: [1, 1, 1]})],
      fileResources: [resourceOf(whole)],
    });
    expect(listTree(root)).toEqual(['file']);
  });
});

describe('a resource table is refused', () => {
  it.each<[string, TestImage, string]>([
    [
      'with a circle',
      {
        resources: [
          {...claim, filter: {kind: 'compress', id: 2, algorithm: 'zstd'}},
          {
            digest: sha256Hex(frame),
            size: frame.length,
            filter: {kind: 'compress', id: 1, algorithm: 'zstd'},
          },
        ],
      },
      'FILTER_INVALID',
    ],
    [
      'with a resource made of itself',
      {resources: [{...claim, filter: {kind: 'slice', ids: [1]}}]},
      'FILTER_INVALID',
    ],
    [
      'with an id that is not there',
      {resources: [{...claim, filter: {kind: 'compress', id: 9, algorithm: 'zstd'}}]},
      'FILTER_INVALID',
    ],
    [
      'with a range outside its bundle',
      {
        blobs: [frame],
        resources: [
          resourceOf(frame),
          {...claim, filter: {kind: 'bundle', id: 1, offset: frame.length - 1, length: text.length}},
        ],
      },
      'FILTER_INVALID',
    ],
    [
      'with a range of another length',
      {
        blobs: [text],
        resources: [
          resourceOf(text),
          {
            ...claim,
            digest: sha256Hex(frame),
            size: 5,
            filter: {kind: 'bundle', id: 1, offset: 0, length: 6},
          },
        ],
        fileResources: [{digest: sha256Hex(frame), size: 5}],
      },
      'FILTER_INVALID',
    ],
    [
      'with slices that do not add up',
      {blobs: [frame], resources: [resourceOf(frame), {...claim, filter: {kind: 'slice', ids: [1, 1, 1]}}]},
      'FILTER_INVALID',
    ],
    ['without the resource of a file', {resources: []}, 'TABLE_INVALID'],
    [
      'with another size than the file table',
      {blobs: [text], resources: [{...claim, size: 5}]},
      'TABLE_INVALID',
    ],
    ['that is no database', {resourceTable: Buffer.from('no database at all')}, 'TABLE_INVALID'],
  ])('%s', async (_what, image, code) => {
    await expect(deploy(image)).rejects.toMatchObject({code});
  });
});

describe('a blob is refused', () => {
  const compressed = {kind: 'compress', id: 1, algorithm: 'zstd'} as const;
  /** A gigabyte of zeros in 40 kB. */
  const bomb = Buffer.concat([
    Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58]),
    ...Array.from({length: 8191}, () => Buffer.from([0x02, 0x00, 0x10, 0x00])),
    Buffer.from([0x03, 0x00, 0x10, 0x00]),
  ]);
  it.each<[string, TestImage, string]>([
    [
      'that decompresses to too much',
      {blobs: [bomb], resources: [resourceOf(bomb), {...claim, filter: compressed}]},
      'BLOB_CORRUPT',
    ],
    [
      'that decompresses to too little',
      {
        blobs: [frame],
        resources: [resourceOf(frame), {...claim, size: text.length + 1, filter: compressed}],
        fileResources: [{...claim, size: text.length + 1}],
      },
      'BLOB_CORRUPT',
    ],
    [
      'that decompresses to something else',
      {
        blobs: [frame],
        resources: [resourceOf(frame), {...claim, digest: sha256Hex(frame.subarray(1)), filter: compressed}],
        fileResources: [{...claim, digest: sha256Hex(frame.subarray(1))}],
      },
      'BLOB_CORRUPT',
    ],
    [
      'that is not a zstd frame',
      {
        blobs: [text],
        resources: [resourceOf(text), {...resourceOf(frame), filter: compressed}],
        fileResources: [resourceOf(frame)],
      },
      'ZSTD_INVALID',
    ],
    [
      'with a second frame',
      {
        blobs: [Buffer.concat([frame, frame])],
        resources: [resourceOf(Buffer.concat([frame, frame])), {...claim, filter: compressed}],
      },
      'ZSTD_INVALID',
    ],
    ['that is missing', {resources: [claim]}, 'BLOB_MISSING'],
    [
      'whose bytes in the table are not those of its digest',
      {fileResources: [{...claim, size: 3, contents: Buffer.from('abc')}]},
      'BLOB_CORRUPT',
    ],
  ])('%s', async (_what, image, code) => {
    await expect(deploy(image)).rejects.toMatchObject({code});
  });

  it('of which a bit is wrong', async () => {
    const spoil = (folder: string) => {
      const spoiled = Buffer.from(text);
      spoiled[0] = (spoiled[0] ?? 0) ^ 1;
      writeFileSync(join(folder, 'blobs/sha256', sha256Hex(text)), spoiled);
    };
    await expect(deploy({blobs: [text], resources: [claim]}, spoil)).rejects.toMatchObject({
      code: 'BLOB_CORRUPT',
    });
  });
});

describe('a file table is refused', () => {
  const sound = {blobs: [text], resources: [claim]};
  it.each<[string, readonly TestEntry[], string]>([
    ['with ..', [{path: '/../file', resource: 0}], 'PATH_UNSAFE'],
    ['with .. in the middle', [{path: '/a'}, {path: '/a/../../file', resource: 0}], 'PATH_UNSAFE'],
    ['with a relative path', [{path: 'file', resource: 0}], 'PATH_UNSAFE'],
    ['with an empty name', [{path: '/a'}, {path: '/a//file', resource: 0}], 'PATH_UNSAFE'],
    ['with a folder that leads upwards', [{path: '/..'}], 'PATH_UNSAFE'],
    [
      'with a file behind a symbolic link',
      [
        {path: '/a', target: '/etc'},
        {path: '/a/file', resource: 0},
      ],
      'PATH_UNSAFE',
    ],
    ['with a file behind a file', [file, {path: '/file/b', resource: 0}], 'PATH_UNSAFE'],
    ['with a file in a folder that is not there', [{path: '/a/b', resource: 0}], 'PATH_UNSAFE'],
    [
      'with a link and a file of one name',
      [
        {path: '/a', target: '/etc'},
        {path: '/a', resource: 0},
      ],
      'TABLE_INVALID',
    ],
    ['with a link and a folder of one name', [{path: '/a', target: '/etc'}, {path: '/a'}], 'TABLE_INVALID'],
    ['with a link that has no target', [{path: '/a', target: ''}], 'TABLE_INVALID'],
    ['with a resource that is not there', [{path: '/a', resource: 7}], 'TABLE_INVALID'],
    [
      'with one file of two contents',
      [
        {path: '/a', resource: 0, inode: -1, links: 2},
        {path: '/b', resource: 1, inode: -1, links: 2},
      ],
      'TABLE_INVALID',
    ],
  ])('%s', async (_what, entries, code) => {
    const other = {digest: sha256Hex(Buffer.from('b')), size: 1, contents: Buffer.from('b')};
    await expect(deploy({...sound, fileResources: [claim, other], entries})).rejects.toMatchObject({code});
  });

  it('that is a view which never ends, or another database', async () => {
    const scratch = await makeTempFolder();
    const endless = makeDatabase(
      scratch,
      [
        'CREATE VIEW ft_dir AS WITH RECURSIVE n(path, inode_id) AS (SELECT 1, 1 UNION ALL SELECT path + 1, 1 FROM n) SELECT * FROM n',
      ],
      () => undefined,
    );
    await expect(deploy({...sound, fileTable: endless})).rejects.toMatchObject({code: 'TABLE_INVALID'});
    const other = makeDatabase(scratch, ['CREATE TABLE files (path TEXT)'], () => undefined);
    await expect(deploy({...sound, fileTable: other})).rejects.toMatchObject({code: 'TABLE_INVALID'});
  });
});

describe('verify-resources', () => {
  async function report(spoil: (blobs: string) => void) {
    const folder = join(await makeTempFolder(), 'image');
    writeImage(folder, {blobs: [text], resources: [claim], fileResources: [claim], entries: [file]});
    spoil(join(folder, 'blobs/sha256'));
    await using image = await ImageReader.open(folder);
    return await verifyResources(image);
  }

  it('finds nothing wrong with a sound image', async () => {
    expect(await report(() => undefined)).toMatchObject({blobs: 5, isSound: true, unused: []});
  });

  it('fails on a broken, a missing and a shortened blob, and tells which', async () => {
    const digest = sha256Hex(text);
    const broken = await report((blobs) => writeFileSync(join(blobs, digest), text.toString().toUpperCase()));
    expect(broken).toMatchObject({isSound: false, broken: [{digest, code: 'BLOB_CORRUPT'}]});
    const missing = await report((blobs) => unlinkSync(join(blobs, digest)));
    expect(missing).toMatchObject({isSound: false, broken: [{digest, code: 'BLOB_MISSING'}]});
    const short = await report((blobs) => writeFileSync(join(blobs, digest), ''));
    expect(short).toMatchObject({isSound: false, broken: [{digest, code: 'BLOB_CORRUPT'}]});
  });

  it('names what is no blob, and what nobody needs', async () => {
    const found = await report((blobs) => {
      writeFileSync(join(blobs, 'tmp_x_01234567'), '');
      writeFileSync(join(blobs, sha256Hex(Buffer.from('x'))), 'x');
    });
    expect(found).toMatchObject({
      isSound: true,
      strangers: ['blobs/sha256/tmp_x_01234567'],
      unused: [sha256Hex(Buffer.from('x'))],
    });
  });

  it('fails when every blob of the tables is broken, without crashing', async () => {
    const found = await report((blobs) => {
      for (const name of readdirSync(blobs)) writeFileSync(join(blobs, name), 'x');
    });
    expect(found.isSound).toBe(false);
    expect(found.problems.length).toBeGreaterThan(0);
  });
});
