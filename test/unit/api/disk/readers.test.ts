import fc from 'fast-check';
import {describe, expect, it} from 'vitest';
import {bufferSource, joinExtents, sliceOf} from '../../../../api/disk/byte-source.ts';
import {openExt4} from '../../../../api/disk/ext4.ts';
import {openFat} from '../../../../api/disk/fat.ts';
import {DamagedError} from '../../../../api/disk/file-system.ts';
import {findFirstDifference} from '../../../../api/disk/first-difference.ts';
import {hexdump} from '../../../../api/disk/hexdump.ts';
import {readPartitionTable} from '../../../../api/disk/partition-table.ts';
import {readTar} from '../../../../api/disk/tar-archive.ts';
import {makeDisk, makeExt4, makeFat, makeTar} from './images.ts';

const text = async (
  source: {sizeBytes: number; read(at: number, length: number): Promise<Buffer>} | undefined,
) => source && (await source.read(0, source.sizeBytes)).toString();

describe('a byte source', () => {
  const source = bufferSource(Buffer.from('0123456789'));

  it('is cut where it ends', async () => {
    expect(await text(sliceOf(source, 8, 100))).toBe('89');
    expect(await text(sliceOf(source, 20, 5))).toBe('');
    expect((await sliceOf(source, 2, 4).read(3, 9)).toString()).toBe('5');
  });

  it('of extents reads across them and fills holes with zeros', async () => {
    const joined = joinExtents(
      source,
      [
        {start: 8, length: 2},
        {start: undefined, length: 2},
        {start: 0, length: 4},
      ],
      7,
    );
    expect(await text(joined)).toBe('89\0\x00012');
    expect((await joined.read(1, 4)).toString()).toBe('9\0\x000');
    expect(await text(joinExtents(source, [], 3))).toBe('\0\0\0');
  });
});

describe('the first difference', () => {
  it('is found wherever it is', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({maxLength: 300}), fc.uint8Array({maxLength: 300}), async (a, b) => {
        const [left, right] = [Buffer.from(a), Buffer.from(b)];
        const found = await findFirstDifference(bufferSource(left), bufferSource(right));
        if (found === undefined) {
          expect(left).toEqual(right);
          return;
        }
        expect(left.subarray(0, found)).toEqual(right.subarray(0, found));
        expect(left[found]).not.toBe(right[found]);
      }),
    );
  });

  it('is found behind the first MiB', async () => {
    const big = Buffer.alloc(3 * 1024 * 1024);
    const other = Buffer.from(big);
    other[2_500_000] = 1;
    expect(await findFirstDifference(bufferSource(big), bufferSource(other))).toBe(2_500_000);
  });
});

it('a hexdump looks like that of hexdump -C', () => {
  expect(hexdump(Buffer.from('black-pearl\nand\0more'), 0x1f0)).toEqual([
    '000001f0  62 6c 61 63 6b 2d 70 65  61 72 6c 0a 61 6e 64 00  |black-pearl.and.|',
    '00000200  6d 6f 72 65                                       |more|',
  ]);
});

describe('a partition table', () => {
  it('is read', async () => {
    const content = Buffer.alloc(1024);
    const disk = makeDisk(64, [{start: 8, type: 0x0c, content}], 0xabcdef01);
    expect(await readPartitionTable(bufferSource(disk))).toEqual({
      diskId: 0xabcdef01,
      partitions: [{number: 1, type: 0x0c, bootable: false, startBytes: 4096, sizeBytes: 1024}],
    });
  });

  it.each([
    ['nothing', Buffer.alloc(0)],
    ['zeros', Buffer.alloc(1024)],
    ['the boot sector of a file system', makeFat([])],
  ])('is not found in %s', async (_what, content) => {
    expect(await readPartitionTable(bufferSource(content))).toBeUndefined();
  });
});

describe('the files', () => {
  it('of FAT have their long names, or short ones as they are', async () => {
    const fat = await openFat(
      bufferSource(
        makeFat([
          {name: 'CMDLINE.TXT', content: 'console=tty0'},
          {name: 'A-LONG~1.BIN', content: 'x'.repeat(1500), longName: 'a long name, längér than 26.bin'},
          {name: 'EMPTY', content: ''},
        ]),
      ),
    );
    const tree = await fat?.readTree();
    expect(fat?.kind).toBe('FAT32');
    expect([...(tree?.keys() ?? [])]).toEqual(['/CMDLINE.TXT', '/a long name, längér than 26.bin', '/EMPTY']);
    expect(await text(tree?.get('/a long name, längér than 26.bin')?.content)).toBe('x'.repeat(1500));
    expect(tree?.get('/CMDLINE.TXT')?.fields.get('mtime')).toBe('2023-11-14T22:13:20 (1700000000)');
  });

  it('of ext4 have content, mode and target', async () => {
    const ext4 = await openExt4(
      bufferSource(
        makeExt4({
          files: [
            {name: 'big', content: 'y'.repeat(3333), mode: 0o4755},
            {name: 'link', content: '', target: 'big'},
          ],
        }),
      ),
    );
    const tree = await ext4?.readTree();
    expect([...(tree?.keys() ?? [])]).toEqual(['/', '/big', '/link']);
    expect(await text(tree?.get('/big')?.content)).toBe('y'.repeat(3333));
    expect(tree?.get('/big')?.fields.get('mode')).toBe('4755');
    expect(tree?.get('/link')?.fields.get('target')).toBe('big');
    expect(ext4?.identity).toContainEqual({name: 'UUID', value: '00112233-4455-6677-8899-aabbccddeeff'});
  });
});

// What is compared comes out of a volume, a download, or a broken disk.
describe('damaged bytes', () => {
  const originals = {
    tar: makeTar([
      {name: 'a', content: 'x', pax: {mtime: '1.5'}},
      {name: 'b', content: 'y'.repeat(600)},
    ]),
    FAT: makeFat([{name: 'A', content: 'x'.repeat(2000), folder: 'F'}]),
    ext4: makeExt4({files: [{name: 'a', content: 'x'.repeat(2000)}]}),
  };
  const read = {
    tar: (content: Buffer) => readTar(bufferSource(content)),
    FAT: async (content: Buffer) => (await openFat(bufferSource(content)))?.readTree(),
    ext4: async (content: Buffer) => (await openExt4(bufferSource(content)))?.readTree(),
  };

  it.each(Object.keys(originals) as (keyof typeof originals)[])(
    'of %s are read or refused, never more',
    async (kind) => {
      const original = originals[kind];
      // Where the bookkeeping lies; content may be anything.
      const bookkeeping = Math.min(original.length, 45 * 1024);
      const changes = fc.array(fc.tuple(fc.nat(bookkeeping - 1), fc.nat(255)), {minLength: 1, maxLength: 12});
      await fc.assert(
        fc.asyncProperty(changes, fc.nat(original.length), async (bytes, end) => {
          const content = Buffer.from(original);
          for (const [at, value] of bytes) content[at] = value;
          for (const damaged of [content, original.subarray(0, end)]) {
            await read[kind](damaged).catch((error: unknown) => {
              expect(error).toBeInstanceOf(DamagedError);
            });
          }
        }),
        {numRuns: 300},
      );
    },
  );
});
