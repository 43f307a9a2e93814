import {execFileSync} from 'node:child_process';
import {createHash} from 'node:crypto';
import {cpSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {beforeEach, describe, expect, it} from 'vitest';
import {packBundle} from '../../../../../api/ota/packer/pack.ts';
import {makeTempFolder} from '../../temp-folder.ts';

const fixtures = new URL('../../../../fixtures/', import.meta.url).pathname;
const sample = join(fixtures, 'ota-legacy/image.tgz');

let folder: string;
const at = (name: string) => join(folder, name);
beforeEach(async () => {
  folder = await makeTempFolder();
});

function unpack(tar: string, name: string): string {
  mkdirSync(at(name));
  execFileSync('tar', ['-xf', tar, '-C', at(name)]);
  return at(name);
}

/** Sorted `path size sha256` of all files but the manifest. */
function contentOf(root: string): readonly string[] {
  return (readdirSync(root, {recursive: true}) as string[])
    .filter((path) => statSync(join(root, path)).isFile() && path !== 'manifest.json')
    .map((path) => {
      const content = readFileSync(join(root, path));
      return `${path} ${content.length} ${createHash('sha256').update(content).digest('hex')}`;
    })
    .sort();
}

const twice = [
  {ecuId: 'p1', location: sample, version: 'ver_1'},
  {ecuId: 'p2', location: sample, version: ''},
];

describe('a bundle of legacy images', () => {
  it('is equal to that of the reference but for its time', async () => {
    const theirs = unpack(join(fixtures, 'ota-legacy/offline-bundle-p1-p2.tar.gz'), 'theirs');
    // The reference packed a second image of the same tree, made a moment later: other inode numbers, another signature.
    mkdirSync(at('p2'));
    execFileSync('tar', ['-xzf', sample, '-C', at('p2'), '--exclude=./data/dev/*']);
    cpSync(join(theirs, 'meta/1'), at('p2'), {recursive: true});
    const images = [
      {ecuId: 'p1', location: sample, version: 'ver_1'},
      {ecuId: 'p2', location: at('p2'), version: ''},
    ];
    const manifest = await packBundle({images, output: at('ours.tar'), timestamp: 1_700_000_000});
    const ours = unpack(at('ours.tar'), 'ours');
    expect(contentOf(ours)).toEqual(contentOf(theirs));
    expect(manifest.data_files_num).toBe(237);
    const text = (root: string) =>
      readFileSync(join(root, 'manifest.json'), 'utf8').replace(/"build_timestamp": \d+/, '');
    expect(text(ours)).toBe(text(theirs));
    expect(readFileSync(join(ours, 'manifest.json'), 'utf8')).toContain('"build_timestamp": 1700000000');
  });

  it('has the same bytes from every form of the image, and sorted members of root at one time', async () => {
    mkdirSync(at('image folder'));
    execFileSync('tar', ['-xzf', sample, '-C', at('image folder'), '--exclude=./data/dev/*']);
    const tar = (...options: string[]) => execFileSync('tar', [...options, '-C', at('image folder'), '.']);
    tar('-cf', at('i.tar'));
    tar('--zstd', '-cf', at('i.tar.zst'));
    tar('--format=pax', '-cJf', at('i.tar.xz'));
    const forms = [sample, at('image folder'), at('i.tar'), at('i.tar.zst'), at('i.tar.xz')];
    const digests = new Set<string>();
    for (const [index, location] of forms.entries()) {
      await packBundle({images: [{ecuId: '0', location, version: ''}], output: at(`${index}.out`)});
      digests.add(
        createHash('sha256')
          .update(readFileSync(at(`${index}.out`)))
          .digest('hex'),
      );
    }
    expect(digests.size).toBe(1);
    const lines = execFileSync('tar', ['--utc', '-tvf', at('0.out')])
      .toString()
      .trim()
      .split('\n');
    expect(lines[0]).toMatch(/^drwxr-xr-x 0\/0 +0 1970-01-01 00:00 \.\/$/);
    for (const line of lines) expect(line).toMatch(/ 0\/0 +\d+ 1970-01-01 00:00 \.\//);
    const data = lines
      .map((line) => line.split(' ').at(-1) ?? '')
      .filter((path) => path.startsWith('./data/'));
    expect(data).toEqual([...data].sort());
    expect(readdirSync(folder).filter((name) => name.startsWith('.'))).toEqual([]);
  });
});

it('a v1 image is packed blob by blob', async () => {
  const location = join(fixtures, 'ota-v1/main-dev.zip');
  const manifest = await packBundle({
    images: [{ecuId: 'main', location, version: '1'}],
    output: at('v1.tar'),
  });
  expect(manifest.image_meta).toEqual([{ecu_id: 'main', image_version: '1', ota_metadata_version: 2}]);
  const root = unpack(at('v1.tar'), 'v1');
  expect(readdirSync(join(root, 'meta/0')).sort()).toEqual(['index.json', 'index.jwt', 'oci-layout']);
  const blobs = readdirSync(join(root, 'data'));
  expect(blobs.length).toBe(manifest.data_files_num);
  for (const name of blobs) {
    expect(
      createHash('sha256')
        .update(readFileSync(join(root, 'data', name)))
        .digest('hex'),
    ).toBe(name);
  }
});

describe('nothing is packed', () => {
  const pack = (location: string) =>
    packBundle({images: [{ecuId: 'a', location, version: ''}], output: at('out.tar')});
  /** The sample as a folder that a test damages. */
  const damaged = (damage: (image: string) => void) => {
    mkdirSync(at('image'));
    execFileSync('tar', ['-xzf', sample, '-C', at('image'), '--exclude=./data/dev/*']);
    damage(at('image'));
  };

  it.each<[string, (image: string) => void, string]>([
    [
      'a changed file',
      (image) => {
        writeFileSync(join(image, 'data/etc/hostname'), 'evil\n');
      },
      'BLOB_CORRUPT',
    ],
    [
      'a longer file',
      (image) => {
        writeFileSync(join(image, 'data/etc/hostname'), 'longer than before\n');
      },
      'BLOB_CORRUPT',
    ],
    [
      'a lost file',
      (image) => {
        execFileSync('rm', [join(image, 'data/etc/hostname')]);
      },
      'BLOB_MISSING',
    ],
    [
      'a changed list',
      (image) => {
        writeFileSync(join(image, 'dirs.txt'), '');
      },
      'BLOB_CORRUPT',
    ],
    [
      'a lost list',
      (image) => {
        execFileSync('rm', [join(image, 'persistents.txt')]);
      },
      'BLOB_MISSING',
    ],
    [
      'no metadata.jwt',
      (image) => {
        execFileSync('rm', [join(image, 'metadata.jwt')]);
      },
      'NOT_AN_IMAGE',
    ],
    [
      'a metadata.jwt that is none',
      (image) => {
        writeFileSync(join(image, 'metadata.jwt'), 'a.b.c');
      },
      'METADATA_INVALID',
    ],
    [
      'a file replaced by a link',
      (image) => {
        execFileSync('ln', ['-sf', '/etc/hostname', join(image, 'data/etc/hostname')]);
      },
      'BLOB_MISSING',
    ],
    [
      'a changed compressed file',
      (image) => {
        const [first = ''] = readdirSync(join(image, 'data.zst'));
        const [, second = ''] = readdirSync(join(image, 'data.zst'));
        execFileSync('cp', [join(image, 'data.zst', second), join(image, 'data.zst', first)]);
      },
      'BLOB_CORRUPT',
    ],
  ])('from an image with %s', async (_name, damage, code) => {
    damaged(damage);
    await expect(pack(at('image'))).rejects.toMatchObject({code});
    execFileSync('tar', ['-czf', at('image.tgz'), '-C', at('image'), '.']);
    await expect(pack(at('image.tgz'))).rejects.toMatchObject({code});
    expect(readdirSync(folder).sort()).toEqual(['image', 'image.tgz']);
  });

  it('from an archive that is cut off, no archive, or nothing', async () => {
    writeFileSync(at('cut.tgz'), readFileSync(sample).subarray(0, 50_000));
    await expect(pack(at('cut.tgz'))).rejects.toMatchObject({code: 'NOT_AN_IMAGE'});
    writeFileSync(at('text.tar'), 'hello');
    await expect(pack(at('text.tar'))).rejects.toMatchObject({code: 'NOT_AN_IMAGE'});
    await expect(pack(at('none.tar'))).rejects.toMatchObject({
      code: 'NOT_AN_IMAGE',
      message: expect.stringContaining('does not exist') as string,
    });
  });

  it('over an existing file, or for one ECU twice', async () => {
    writeFileSync(at('out.tar'), 'mine');
    await expect(pack(sample)).rejects.toMatchObject({code: 'OUTPUT_EXISTS'});
    expect(readFileSync(at('out.tar'), 'utf8')).toBe('mine');
    const [first] = twice;
    await expect(
      packBundle({images: first ? [first, first] : [], output: at('o.tar')}),
    ).rejects.toMatchObject({code: 'INPUT_INVALID'});
    await expect(packBundle({images: [], output: at('o.tar')})).rejects.toMatchObject({
      code: 'INPUT_INVALID',
    });
  });

  it('when it is interrupted', async () => {
    const signal = AbortSignal.abort();
    await expect(packBundle({images: twice, output: at('o.tar'), signal})).rejects.toThrow();
    expect(readdirSync(folder)).toEqual([]);
  });
});
