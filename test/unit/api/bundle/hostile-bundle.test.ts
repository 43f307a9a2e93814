import {execFileSync} from 'node:child_process';
import {createPublicKey, generateKeyPairSync, sign} from 'node:crypto';
import {readFileSync, truncateSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {gzipSync} from 'node:zlib';
import {describe, expect, it} from 'vitest';
import {endOfTar, formatTarHeader, zerosAfter, type TarEntry} from '../../../../api/archive/tar-format.ts';
import {inspectBundle} from '../../../../api/bundle/verify.ts';
import {descriptionTemplate} from '../../../../api/bundle/template.ts';
import {makeTempFolder} from '../temp-folder.ts';

const {privateKey} = generateKeyPairSync('rsa', {modulusLength: 2048});
const key = createPublicKey(privateKey);
const description = Buffer.from(descriptionTemplate({id: 'gripper', version: '1.0.0'}));

type Part = readonly [entry: Partial<TarEntry> & {path: string}, content?: Buffer | undefined];
const good: readonly Part[] = [
  [{path: 'gripper_1.0.0.yaml'}, description],
  [{path: 'gripper_1.0.0.yaml.sign'}, sign('sha256', description, privateKey)],
  [{path: 'EULA.txt'}, Buffer.from('x')],
];

function tarOf(parts: readonly Part[]): Buffer {
  const blocks = parts.flatMap(([entry, content = Buffer.alloc(0)]) => [
    formatTarHeader({type: 'file', sizeBytes: content.length, ...entry}),
    content,
    zerosAfter(content.length),
  ]);
  return Buffer.concat([...blocks, endOfTar]);
}

async function write(content: Buffer, name = 'gripper_1.0.0.bundle'): Promise<string> {
  const file = join(await makeTempFolder(), name);
  writeFileSync(file, content);
  return file;
}

async function problemsOf(parts: readonly Part[], name?: string): Promise<readonly string[]> {
  return (await inspectBundle(await write(gzipSync(tarOf(parts)), name), key)).problems;
}

it('the good one is good', async () => {
  expect(await problemsOf(good)).toEqual([]);
});

describe('a bundle is refused', () => {
  it.each<[string, readonly Part[], RegExp]>([
    [
      'with a path that leads out',
      [...good, [{path: '../evil.txt'}]],
      /"\.\.\/evil\.txt" leads out of the archive/,
    ],
    [
      'with a path that leads out in its middle',
      [...good, [{path: 'a/../../evil'}]],
      /leads out of the archive/,
    ],
    ['with an absolute path', [...good, [{path: '/etc/passwd'}]], /"\/etc\/passwd" is an absolute path/],
    [
      'with a symbolic link',
      [...good, [{path: 'l', type: 'symlink', linkTarget: '/etc/passwd'}]],
      /"l" is a symlink/,
    ],
    [
      'with a hard link',
      [...good, [{path: 'l', type: 'hardlink', linkTarget: 'EULA.txt'}]],
      /"l" is a hardlink/,
    ],
    ['with a duplicate', [...good, [{path: './EULA.txt'}]], /"EULA\.txt" is there twice/],
    ['without a description', good.slice(2), /holds no description/],
    [
      'with two descriptions',
      [...good, [{path: 'other_1.0.0.yaml'}, description]],
      /more than one description/,
    ],
    ['without a signature', [good[0] as Part, good[2] as Part], /gripper_1\.0\.0\.yaml is not signed/],
    ['with an unsigned schema', [...good, [{path: 's.json'}, Buffer.from('{}')]], /s\.json is not signed/],
    [
      'with a signature that is empty',
      [good[0] as Part, [{path: 'gripper_1.0.0.yaml.sign'}]],
      /not from this key/,
    ],
    [
      'with a description that was changed',
      [[{path: 'gripper_1.0.0.yaml'}, Buffer.concat([description, Buffer.from('\n')])], ...good.slice(1)],
      /not from this key, or the file was changed/,
    ],
  ])('%s', async (_name, parts, message) => {
    expect((await problemsOf(parts)).join('\n')).toMatch(message);
  });

  it('with a device', async () => {
    const header = formatTarHeader({path: 'null', type: 'file'});
    header.write('3', 156);
    header.fill(' ', 148, 156);
    header.write(
      `${header
        .reduce((sum, byte) => sum + byte, 0)
        .toString(8)
        .padStart(6, '0')}\0 `,
      148,
    );
    const file = await write(
      gzipSync(Buffer.concat([tarOf(good).subarray(0, -endOfTar.length), header, endOfTar])),
    );
    expect((await inspectBundle(file, key)).problems).toEqual([
      expect.stringContaining('"null" is a character device'),
    ]);
  });

  it('whose name does not fit its description', async () => {
    expect(await problemsOf(good, 'gripper_1.0.1.bundle')).toEqual([
      'its file name has the version 1.0.1, its description 1.0.0',
    ]);
    expect(await problemsOf(good, 'gripper.bundle')).toEqual([
      expect.stringMatching(/^its file name must be/),
    ]);
  });

  it('with a folder but no licence in it', async () => {
    const folder = good.map(([entry, content]): Part => [{...entry, path: `g/${entry.path}`}, content]);
    expect(await problemsOf(folder)).toEqual(['the folder licenses/ with at least one .txt is missing']);
    const spelt: Part = [{path: 'g/licences/EULA.txt'}, Buffer.from('x')];
    expect(await problemsOf([...folder, spelt])).toEqual([]);
  });
});

describe('a file that is no bundle', () => {
  it.each<[string, Buffer]>([
    ['empty', Buffer.alloc(0)],
    ['text', Buffer.from('hello')],
    ['gzip of nothing', gzipSync('')],
    ['gzip of text', gzipSync('x'.repeat(2000))],
    ['cut off', gzipSync(tarOf(good)).subarray(0, -20)],
    ['a tar that ends early', gzipSync(tarOf(good).subarray(0, 700))],
    ['a header without end', gzipSync(formatTarHeader({path: 'x', type: 'file', sizeBytes: 8 ** 11 - 1}))],
  ])('%s', async (_name, content) => {
    await expect(inspectBundle(await write(content), key)).rejects.toMatchObject({code: 'BUNDLE_INVALID'});
  });

  it('a bomb', async () => {
    const parts = Array.from({length: 300}, (_, i): Part => [{path: `f${i}`}, Buffer.alloc(1024 * 1024)]);
    const file = await write(gzipSync(tarOf(parts)));
    await expect(inspectBundle(file, key)).rejects.toThrow(/more than 256 MiB/);
  });

  it('is an input error when it cannot be read', async () => {
    await expect(inspectBundle('/nowhere/a_1.0.0.bundle')).rejects.toMatchObject({code: 'INPUT_UNREADABLE'});
  });
});

it('reads bundles of GNU tar and of old tars, in any order and without gzip a complaint', async () => {
  const folder = await makeTempFolder();
  for (const [entry, content] of good) writeFileSync(join(folder, entry.path), content ?? '');
  for (const format of ['gnu', 'ustar', 'pax', 'v7']) {
    execFileSync(
      'tar',
      [
        `--format=${format}`,
        '-czf',
        'gripper_1.0.0.bundle',
        'EULA.txt',
        'gripper_1.0.0.yaml.sign',
        './gripper_1.0.0.yaml',
      ],
      {cwd: folder},
    );
    expect((await inspectBundle(join(folder, 'gripper_1.0.0.bundle'), key)).problems, format).toEqual([]);
  }
  execFileSync(
    'tar',
    ['-cf', 'gripper_1.0.0.bundle', 'EULA.txt', 'gripper_1.0.0.yaml.sign', 'gripper_1.0.0.yaml'],
    {cwd: folder},
  );
  expect((await inspectBundle(join(folder, 'gripper_1.0.0.bundle'), key)).problems).toEqual([
    'it is not compressed with gzip, and update agents expect that',
  ]);
  expect(readFileSync(join(folder, 'gripper_1.0.0.bundle')).length).toBeGreaterThan(0);
  truncateSync(join(folder, 'gripper_1.0.0.bundle'), 100);
  await expect(inspectBundle(join(folder, 'gripper_1.0.0.bundle'), key)).rejects.toMatchObject({
    code: 'BUNDLE_INVALID',
  });
});
