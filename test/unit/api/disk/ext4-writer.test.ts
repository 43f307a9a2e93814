import {execFileSync, spawnSync} from 'node:child_process';
import {createHash, randomBytes} from 'node:crypto';
import {truncateSync} from 'node:fs';
import {readFile, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import fc from 'fast-check';
import {describe, expect, test} from 'vitest';
import {FileSource} from '../../../../api/disk/byte-source.ts';
import {openExt4} from '../../../../api/disk/ext4.ts';
import {Ext4FullError} from '../../../../api/disk/ext4-groups.ts';
import {UnsupportedExt4Error} from '../../../../api/disk/ext4-superblock.ts';
import {Ext4Writer, InTheWayError} from '../../../../api/disk/ext4-writer.ts';
import {RandomFile} from '../../../../api/disk/random-file.ts';
import {makeTempFolder} from '../temp-folder.ts';

const now = 1_700_000_000;
const attributes = {mode: 0o640, uid: 1000, gid: 70_000, mtime: 1_600_000_000};

/** Kinds of ext4 that are about: of today, of some years ago without checksums, with small blocks, for few large files. */
const kinds = {
  today: ['-O', 'metadata_csum,64bit'],
  'without checksums': ['-O', '^metadata_csum,^64bit'],
  'old group checksums': ['-O', '^metadata_csum,^64bit,uninit_bg'],
  'small blocks': ['-b', '1024', '-I', '128'],
  'large files': ['-T', 'largefile', '-m', '1'],
} as const;

function makeExt4(file: string, options: readonly string[] = [], size = '64M'): void {
  execFileSync('mke2fs', ['-q', '-F', '-t', 'ext4', ...options, file, size], {
    env: {...process.env, PATH: `${process.env['PATH'] ?? ''}:/sbin:/usr/sbin`},
    stdio: 'pipe',
  });
}

/** What e2fsck has against a file system; empty when it is sound. */
function complaints(file: string): string {
  const {status, stdout, stderr} = spawnSync('e2fsck', ['-fn', file], {
    encoding: 'utf8',
    env: {...process.env, PATH: `${process.env['PATH'] ?? ''}:/sbin:/usr/sbin`},
  });
  return status === 0 ? '' : stdout + stderr;
}

async function* pieces(content: Buffer, length = 100_000): AsyncGenerator<Buffer> {
  for (let at = 0; at < content.length; at += length)
    yield await Promise.resolve(content.subarray(at, at + length));
}

async function write(file: string, work: (writer: Ext4Writer) => Promise<void>): Promise<void> {
  const opened = await RandomFile.open(file);
  try {
    const writer = await Ext4Writer.open(opened, {now});
    await work(writer);
    await writer.finish();
  } finally {
    await opened[Symbol.asyncDispose]();
  }
}

async function readTree(file: string) {
  const source = await FileSource.open(file);
  try {
    const tree = (await (await openExt4(source))?.readTree()) ?? new Map<string, never>();
    const found = new Map<string, Readonly<Record<string, string>>>();
    for (const [path, {fields, content}] of tree) {
      const bytes = content === undefined ? undefined : await content.read(0, content.sizeBytes);
      const {
        type = '',
        mode = '',
        uid = '',
        gid = '',
        links = '',
        mtime = '',
        target,
      } = Object.fromEntries(fields);
      found.set(path, {
        type,
        mode,
        owner: `${uid}:${gid}`,
        links,
        mtime,
        ...(target !== undefined && {target}),
        ...(bytes !== undefined && {content: createHash('sha256').update(bytes).digest('hex')}),
      });
    }
    return found;
  } finally {
    await source.close();
  }
}

const sha256 = (content: Buffer) => createHash('sha256').update(content).digest('hex');

describe.each(Object.entries(kinds))('in an ext4 of the kind "%s"', (_kind, options) => {
  test('writes files, folders and links that e2fsck finds right', async () => {
    const file = join(await makeTempFolder(), 'fs');
    makeExt4(file, options);
    const large = randomBytes(5 * 1024 * 1024 + 5);
    await write(file, async (writer) => {
      await writer.addFile('/large', attributes, pieces(large), large.length);
      await writer.addFile('/a/b/empty', attributes, pieces(Buffer.alloc(0)));
      await writer.addFile('/a/unknown length', attributes, pieces(large.subarray(7)));
      await writer.addFolder('/folder', {...attributes, mode: 0o2770});
      await writer.addSymlink('/a/short', attributes, '../large');
      await writer.addSymlink('/a/long', attributes, `../${'x'.repeat(200)}`);
      await writer.addHardlink('/a/again', '/large');
    });
    expect(complaints(file)).toBe('');
    const tree = await readTree(file);
    const common = {
      mode: '0640',
      owner: '1000:70000',
      mtime: expect.stringContaining('(1600000000)') as string,
    };
    expect(tree.get('/large')).toEqual({type: 'file', ...common, links: '2', content: sha256(large)});
    expect(tree.get('/a/again')).toEqual(tree.get('/large'));
    expect(tree.get('/a/b/empty')).toEqual({
      type: 'file',
      ...common,
      links: '1',
      content: sha256(Buffer.alloc(0)),
    });
    expect(tree.get('/a/unknown length')?.['content']).toBe(sha256(large.subarray(7)));
    expect(tree.get('/folder')).toMatchObject({type: 'folder', mode: '2770', owner: '1000:70000'});
    expect(tree.get('/a')).toMatchObject({type: 'folder', mode: '0755', owner: '0:0', links: '3'});
    expect(tree.get('/a/short')?.['target']).toBe('../large');
    expect(tree.get('/a/long')?.['target']).toBe(`../${'x'.repeat(200)}`);
    expect(tree.has('/lost+found')).toBe(true);
  });

  test('replaces files and gives their room back', async () => {
    const file = join(await makeTempFolder(), 'fs');
    makeExt4(file, options);
    const content = randomBytes(3_000_000);
    let before = 0;
    await write(file, async (writer) => {
      await writer.addFile('/x', attributes, pieces(content));
      await writer.addSymlink('/y', attributes, 'x');
      before = writer.freeBytes;
    });
    await write(file, async (writer) => {
      await writer.addFile('/x', attributes, pieces(content.subarray(1)));
      await writer.addFile('/y', attributes, pieces(Buffer.alloc(0)));
      expect(writer.freeBytes).toBeLessThanOrEqual(before);
      expect(writer.freeBytes).toBeGreaterThan(before - 100_000);
    });
    expect(complaints(file)).toBe('');
    expect((await readTree(file)).get('/x')?.['content']).toBe(sha256(content.subarray(1)));
  });
});

test('writes a thousand files into folders that were there, with a hash tree or without', async () => {
  const file = join(await makeTempFolder(), 'fs');
  makeExt4(file, ['-N', '8000']);
  const add = (from: number) =>
    write(file, async (writer) => {
      for (let index = from; index < from + 1000; index++)
        await writer.addFile(
          `/many/${'name'.repeat(9)}-${index}`,
          attributes,
          pieces(Buffer.from(`content ${index}`)),
        );
      expect(writer.needsIndex).toBe(false);
    });
  await add(0);
  expect(complaints(file)).toBe('');
  spawnSync('e2fsck', ['-fyD', file], {
    env: {...process.env, PATH: `${process.env['PATH'] ?? ''}:/sbin:/usr/sbin`},
  });
  await add(1000);
  expect(complaints(file)).toBe('');
  const tree = await readTree(file);
  expect([...tree.keys()].filter((path) => path.startsWith('/many/'))).toHaveLength(2000);
  expect(tree.get(`/many/${'name'.repeat(9)}-1999`)?.['content']).toBe(sha256(Buffer.from('content 1999')));
});

test('whatever is written is there afterwards', async () => {
  const folder = await makeTempFolder();
  const name = fc.constantFrom('a', 'b', 'ü', 'long'.repeat(40));
  const path = fc.array(name, {minLength: 1, maxLength: 3}).map((names) => `/${names.join('/')}`);
  const size = fc.oneof(fc.nat({max: 70}), fc.nat({max: 300_000}));
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(path, size), {maxLength: 25}),
      fc.constantFrom(...Object.values(kinds)),
      async (files, kind) => {
        const file = join(folder, 'fs');
        makeExt4(file, [...kind, '-N', '200'], '16M');
        const written = new Map<string, Buffer>();
        await write(file, async (writer) => {
          for (const [target, length] of files) {
            const content = randomBytes(length);
            try {
              await writer.addFile(
                target,
                attributes,
                pieces(content),
                length % 2 === 0 ? length : undefined,
              );
              written.set(target, content);
            } catch (error) {
              if (!(error instanceof InTheWayError)) throw error;
            }
          }
        });
        expect(complaints(file)).toBe('');
        const tree = await readTree(file);
        for (const [target, content] of written) expect(tree.get(target)?.['content']).toBe(sha256(content));
      },
    ),
    {numRuns: 8},
  );
});

test('makes the same bytes from the same files', async () => {
  const folder = await makeTempFolder();
  const first = join(folder, 'first');
  makeExt4(first);
  await writeFile(join(folder, 'second'), await readFile(first));
  const content = randomBytes(3_000_000);
  for (const name of ['first', 'second'])
    await write(join(folder, name), async (writer) => {
      await writer.addFile('/x/y', attributes, pieces(content, name.length * 1000));
      await writer.addFolder('/z');
    });
  expect(sha256(await readFile(join(folder, 'second')))).toBe(sha256(await readFile(first)));
});

test('makes a tree of extents for a file that lies in many pieces', async () => {
  const file = join(await makeTempFolder(), 'fs');
  makeExt4(file, ['-N', '6000', '-m', '0']);
  const small = randomBytes(4096);
  await write(file, async (writer) => {
    const count = 3000;
    for (let index = 0; index < count; index++)
      await writer.addFile(`/s/${index}`, attributes, pieces(small));
    const filler = Buffer.alloc(writer.freeBytes - 64 * 4096);
    await writer.addFile('/filler', attributes, pieces(filler), filler.length);
    // Empty files take the places of every other one.
    for (let index = 0; index < count; index += 2)
      await writer.addFile(`/s/${index}`, attributes, pieces(Buffer.alloc(0)));
    const scattered = randomBytes(1450 * 4096);
    await writer.addFile('/scattered', attributes, pieces(scattered), scattered.length);
    written = scattered;
  });
  expect(complaints(file)).toBe('');
  expect((await readTree(file)).get('/scattered')?.['content']).toBe(sha256(written));
});
let written: Buffer = Buffer.alloc(0);

describe('what it does not write to', () => {
  test('a full file system', async () => {
    const file = join(await makeTempFolder(), 'fs');
    makeExt4(file, [], '16M');
    const opened = await RandomFile.open(file);
    const writer = await Ext4Writer.open(opened, {now});
    const content = Buffer.alloc(writer.freeBytes + 1);
    await expect(writer.addFile('/x', attributes, pieces(content))).rejects.toThrow(Ext4FullError);
    await opened[Symbol.asyncDispose]();
  });

  test('one without free inodes', async () => {
    const file = join(await makeTempFolder(), 'fs');
    makeExt4(file, ['-N', '16'], '16M');
    const opened = await RandomFile.open(file);
    const writer = await Ext4Writer.open(opened, {now});
    const add = async () => {
      for (let index = 0; index < 20; index++)
        await writer.addFile(`/${index}`, attributes, pieces(Buffer.alloc(1)));
    };
    await expect(add()).rejects.toThrow('no free inode');
    await opened[Symbol.asyncDispose]();
  });

  test.each([
    ['no extents', ['-O', '^extent,^64bit,^metadata_csum'], 'ext2 or ext3'],
    ['inline data', ['-O', 'inline_data'], 'inline_data'],
    ['quota', ['-O', 'quota'], 'quota'],
    ['big allocation units', ['-O', 'bigalloc'], 'bigalloc'],
  ])('%s', async (_name, options, message) => {
    const file = join(await makeTempFolder(), 'fs');
    makeExt4(file, options);
    const opened = await RandomFile.open(file);
    await expect(Ext4Writer.open(opened, {now})).rejects.toThrow(UnsupportedExt4Error);
    await expect(Ext4Writer.open(opened, {now})).rejects.toThrow(message);
    await opened[Symbol.asyncDispose]();
  });

  test('one that is cut off, or damaged', async () => {
    const file = join(await makeTempFolder(), 'fs');
    makeExt4(file);
    truncateSync(file, 1024 * 1024);
    const cut = await RandomFile.open(file);
    await expect(Ext4Writer.open(cut, {now})).rejects.toThrow('larger than its partition');
    await cut[Symbol.asyncDispose]();
  });

  test('a folder under the name of a file, and the other way round', async () => {
    const file = join(await makeTempFolder(), 'fs');
    makeExt4(file);
    await write(file, async (writer) => {
      await writer.addFile('/file', attributes, pieces(Buffer.from('x')));
      await writer.addFolder('/folder');
      await expect(writer.addFile('/file/below', attributes, pieces(Buffer.alloc(1)))).rejects.toThrow(
        InTheWayError,
      );
      await expect(writer.addFile('/folder', attributes, pieces(Buffer.alloc(1)))).rejects.toThrow(
        InTheWayError,
      );
      await expect(
        writer.addFile(`/${'n'.repeat(256)}`, attributes, pieces(Buffer.alloc(1))),
      ).rejects.toThrow('255');
    });
    expect(complaints(file)).toBe('');
  });
});
