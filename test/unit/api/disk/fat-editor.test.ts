import fc from 'fast-check';
import {describe, expect, it} from 'vitest';
import {bufferSource, sliceOf} from '../../../../api/disk/byte-source.ts';
import {FatEditor, NotAFileError} from '../../../../api/disk/fat-editor.ts';
import {readFatGeometry} from '../../../../api/disk/fat-geometry.ts';
import {FatFullError} from '../../../../api/disk/fat-table.ts';
import {openFat} from '../../../../api/disk/fat.ts';
import {DamagedError} from '../../../../api/disk/file-system.ts';
import {PatchedSource} from '../../../../api/disk/patched-source.ts';
import {makeFat} from './images.ts';
import {bootStart, readReferenceDisk} from './reference-disk.ts';

const disks = {fat16: await readReferenceDisk('fat16'), fat32: await readReferenceDisk('fat32')};
const kinds = ['fat16', 'fat32'] as const;
const before = 'A text with a long name.txt';

async function edit(
  disk: Buffer,
  work: (editor: FatEditor) => Promise<void>,
  start = bootStart,
): Promise<Buffer> {
  const patched = new PatchedSource(bufferSource(disk));
  const editor = await FatEditor.open(patched, start);
  if (editor === undefined) throw new Error('no FAT');
  await work(editor);
  await editor.flush();
  return patched.read(0, disk.length);
}

/** What another reader than the editor's own finds. */
async function filesOf(disk: Buffer, start = bootStart): Promise<Map<string, string>> {
  const fat = await openFat(sliceOf(bufferSource(disk), start, disk.length));
  const files = new Map<string, string>();
  for (const [path, {content}] of (await fat?.readTree()) ?? [])
    if (content !== undefined) files.set(path, (await content.read(0, content.sizeBytes)).toString('latin1'));
  return files;
}

/** Both allocation tables are the same, and the count of free clusters is right. */
function expectBookkeeping(disk: Buffer): void {
  const volume = disk.subarray(bootStart);
  const geometry = readFatGeometry(volume.subarray(0, 512));
  if (geometry === undefined) throw new Error('no FAT');
  const {fatStart, fatBytes, fsInfoStart, clusterCount} = geometry;
  const first = volume.subarray(fatStart, fatStart + fatBytes);
  expect(first.equals(volume.subarray(fatStart + fatBytes, fatStart + 2 * fatBytes))).toBe(true);
  if (fsInfoStart === undefined) return;
  let free = 0;
  for (let cluster = 2; cluster < clusterCount + 2; cluster++)
    if (first.readUInt32LE(cluster * 4) === 0) free++;
  expect(volume.readUInt32LE(fsInfoStart + 488)).toBe(free);
}

describe.each(kinds)('on %s', (kind) => {
  const disk = disks[kind];

  it('what other tools wrote is read', async () => {
    await edit(disk, async (editor) => {
      expect((await editor.readFile('cmdline.txt'))?.toString()).toMatch(/^console=tty0 /);
      expect((await editor.readFile('DOCS/a TEXT with a long name.TXT'))?.toString()).toBe('a text\n');
      expect((await editor.readFile('kernel8.img'))?.length).toBe(18_893);
      expect(await editor.readFile('docs')).toBeUndefined();
      expect(await editor.readFile('nothing/here')).toBeUndefined();
    });
  });

  it('reading alone changes nothing', async () => {
    expect(
      (
        await edit(disk, async (editor) => {
          await editor.readFile('cmdline.txt');
        })
      ).equals(disk),
    ).toBe(true);
  });

  it('files are made, replaced, and left alone', async () => {
    const after = await edit(disk, async (editor) => {
      await editor.writeFile('user-data', Buffer.from('#cloud-config\n'));
      await editor.writeFile('CMDLINE.TXT', Buffer.from('quiet\n'));
      await editor.writeFile('a/deep/er/längér.bin', Buffer.alloc(5000, 1));
      await editor.writeFile('EMPTY', Buffer.alloc(0));
    });
    const [old, files] = [await filesOf(disk), await filesOf(after)];
    expect(files.get('/user-data')).toBe('#cloud-config\n');
    expect(files.get('/cmdline.txt')).toBe('quiet\n');
    expect(files.get('/a/deep/er/längér.bin')).toBe('\u0001'.repeat(5000));
    expect(files.get('/EMPTY')).toBe('');
    for (const kept of ['/kernel8.img', '/config.txt', `/docs/${before}`])
      expect(files.get(kept)).toBe(old.get(kept));
    expect(files.size).toBe(old.size + 3);
    expectBookkeeping(after);
  });

  it('new files carry the date of the root folder, or the one that is given', async () => {
    const dateOf = async (modifiedAt?: number) => {
      const after = await edit(disk, (editor) => editor.writeFile('x', Buffer.from('x'), modifiedAt));
      const fat = await openFat(sliceOf(bufferSource(after), bootStart, after.length));
      return (await fat?.readTree())?.get('/x')?.fields.get('mtime');
    };
    expect(await dateOf()).toBe('2023-11-14T22:13:20 (1700000000)');
    expect(await dateOf(1_600_000_000)).toBe('2020-09-13T12:26:40 (1600000000)');
    expect(await dateOf(0)).toMatch(/^1980-01-01/);
  });

  it('a file that does not fit is refused', async () => {
    await edit(disk, async (editor) => {
      const free = editor.freeBytes;
      await expect(editor.writeFile('big', Buffer.alloc(free + 1))).rejects.toThrow(FatFullError);
    });
  });

  it('a file may take the last cluster', async () => {
    const after = await edit(disk, (editor) => editor.writeFile('BIG', Buffer.alloc(editor.freeBytes, 7)));
    expect((await filesOf(after)).get('/BIG')?.length).toBeGreaterThan(10_000_000);
    expectBookkeeping(after);
    await edit(after, (editor) =>
      expect(editor.writeFile('more', Buffer.from('x'))).rejects.toThrow(FatFullError),
    );
  });

  it('a path through a file, or to a folder, is refused', async () => {
    await edit(disk, async (editor) => {
      await expect(editor.writeFile('config.txt/x', Buffer.from(''))).rejects.toThrow(NotAFileError);
      await expect(editor.writeFile('docs', Buffer.from(''))).rejects.toThrow(NotAFileError);
    });
  });

  it('any sequence of writes leaves what was written, and sound bookkeeping', async () => {
    const name = fc.oneof(
      fc.constantFrom(
        'user-data',
        'User-Data',
        'config.txt',
        'KERNEL8.IMG',
        'a.b.c',
        'x'.repeat(200),
        '.hidden',
        'ä ö',
      ),
      fc.stringMatching(/^[a-zA-Z0-9_+ -]{1,30}[a-z]$/),
    );
    const path = fc.array(name, {minLength: 1, maxLength: 3}).map((names) => names.join('/'));
    const writes = fc.array(fc.tuple(path, fc.nat(9000)), {minLength: 1, maxLength: 25});
    await fc.assert(
      fc.asyncProperty(writes, async (list) => {
        const expected = new Map<string, string>();
        for (const [key, content] of await filesOf(disk)) expected.set(key.toUpperCase(), content);
        const after = await edit(disk, async (editor) => {
          for (const [key, length] of list) {
            const content = Buffer.alloc(length, key);
            try {
              await editor.writeFile(key, content);
              expected.set(`/${key.toUpperCase()}`, content.toString('latin1'));
            } catch (error) {
              if (!(error instanceof NotAFileError)) throw error;
            }
          }
        });
        const found = [...(await filesOf(after))].map(
          ([key, content]) => [key.toUpperCase(), content] as const,
        );
        expect(new Map(found)).toEqual(expected);
        expectBookkeeping(after);
      }),
      {numRuns: 25},
    );
  });
});

it('the fixed root folder of FAT16 can be full', async () => {
  await edit(disks.fat16, async (editor) => {
    const fill = async () => {
      for (let number = 0; number < 600; number++) await editor.writeFile(`A${number}`, Buffer.alloc(0));
    };
    await expect(fill()).rejects.toThrow(FatFullError);
    await editor.writeFile('docs/room', Buffer.from('x'));
  });
});

it('folders of FAT32 grow', async () => {
  const after = await edit(disks.fat32, async (editor) => {
    for (let number = 0; number < 300; number++)
      await editor.writeFile(`file number ${number}.text`, Buffer.from(`${number}`));
  });
  const files = await filesOf(after);
  for (let number = 0; number < 300; number++)
    expect(files.get(`/file number ${number}.text`)).toBe(`${number}`);
});

describe('a damaged file system', () => {
  it('is edited or refused, never more', async () => {
    const original = makeFat([
      {name: 'A', content: 'x'.repeat(2000), folder: 'F'},
      {name: 'B', content: 'y'},
    ]);
    const changes = fc.array(fc.tuple(fc.nat(24 * 1024), fc.nat(255)), {minLength: 1, maxLength: 12});
    await fc.assert(
      fc.asyncProperty(changes, async (bytes) => {
        const damaged = Buffer.from(original);
        for (const [at, value] of bytes) damaged[at] = value;
        const patched = new PatchedSource(bufferSource(damaged));
        const work = async () => {
          const editor = await FatEditor.open(patched, 0);
          await editor?.writeFile('F/new', Buffer.alloc(3000));
          await editor?.writeFile('B', Buffer.alloc(3000));
          await editor?.flush();
        };
        await work().catch((error: unknown) => {
          const isExpected = [DamagedError, FatFullError, NotAFileError, RangeError].some(
            (type) => error instanceof type,
          );
          if (!isExpected) throw error;
        });
      }),
      {numRuns: 300},
    );
  });
});
