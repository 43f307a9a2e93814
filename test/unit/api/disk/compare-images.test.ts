import {deflateRawSync} from 'node:zlib';
import {describe, expect, it} from 'vitest';
import {compare, nowSeconds, place} from './compare.ts';
import {ext4DataBlock, makeDisk, makeExt4, makeFat, makeZip, type Ext4Spec, type FatFile} from './images.ts';

const fatFiles: readonly FatFile[] = [
  {name: 'CONFIG.TXT', content: 'arm_64bit=1\n'},
  {name: 'KERNEL8.IMG', content: 'k'.repeat(3000)},
  {name: 'BCM271~1.DTB', content: 'd'.repeat(700), longName: 'bcm2711-rpi-4-b.dtb', folder: 'OVERLAYS'},
];
const ext4Files = [
  {name: 'hostname', content: 'black-pearl\n'},
  {name: 'program', content: 'p'.repeat(5000), mode: 0o755},
  {name: 'link', content: '', target: 'hostname'},
  {name: 'far', content: '', target: 'x'.repeat(100)},
];

function disk(
  given: {
    ext4?: Ext4Spec;
    fat?: readonly FatFile[];
    volumeId?: number;
    diskId?: number;
    sectors?: number;
  } = {},
): Buffer {
  const {ext4 = {}, fat = fatFiles, volumeId, diskId, sectors = 2048} = given;
  return makeDisk(
    sectors,
    [
      {start: 8, type: 0x0c, content: makeFat(fat, volumeId)},
      {start: 1064, type: 0x83, content: makeExt4({files: ext4Files, ...ext4})},
    ],
    diskId,
  );
}

const before = disk();
const changed = (at: number, bytes: string | number[]) => {
  const image = Buffer.from(before);
  Buffer.from(bytes as string).copy(image, at);
  return image;
};
const ext4Start = 1064 * 512;

describe('an image', () => {
  it('that is the same has no differences', async () => {
    expect(await compare('x.img', before, disk())).toEqual([]);
  });

  it('of another file in the root partition names partition, file and offset', async () => {
    const files = [{name: 'hostname', content: 'black-peArl\n'}, ...ext4Files.slice(1)];
    const [first, ...others] = await compare('x.img', before, disk({ext4: {files}}));
    expect(first).toMatchObject({
      path: ['partition 2 (ext4)', '/hostname'],
      what: 'content',
      offset: 8,
      hexdump: {
        before: ['00000000  62 6c 61 63 6b 2d 70 65  61 72 6c 0a              |black-pearl.|'],
        after: ['00000000  62 6c 61 63 6b 2d 70 65  41 72 6c 0a              |black-peArl.|'],
      },
    });
    expect(others).toEqual([]);
  });

  it('names the byte inside a file of several blocks', async () => {
    const at = ext4Start + ext4DataBlock(1) * 1024 + 4321;
    expect((await compare('x.img', before, changed(at, '!'))).map(place)).toEqual([
      'partition 2 (ext4) → /program → content 4321',
    ]);
  });

  it.each<[string, Ext4Spec, string, string]>([
    [
      'UUID',
      {uuid: 'f0e1d2c3b4a5968778695a4b3c2d1e0f'},
      'partition 2 (ext4) → superblock → UUID',
      'an id that was made at random',
    ],
    ['label', {label: 'toor'}, 'partition 2 (ext4) → superblock → label', ''],
    [
      'time of its making',
      {created: nowSeconds - 60},
      'partition 2 (ext4) → superblock → creation time',
      'a time stamp: the clock of the build machine',
    ],
  ])('of a file system with another %s', async (_what, ext4, where, cause) => {
    const [first] = await compare('x.img', before, disk({ext4}));
    expect(first && place(first)).toBe(where);
    expect(first?.probably ?? '').toBe(cause);
  });

  it.each([
    ['mode', {mode: 0o700}, 'the umask of the build'],
    ['mtime', {mtime: nowSeconds}, 'a time stamp: the clock of the build machine'],
  ])('of a file with another %s', async (field, given, cause) => {
    const files = [{name: 'hostname', content: 'black-pearl\n', ...given}, ...ext4Files.slice(1)];
    const found = await compare('x.img', before, disk({ext4: {files}}));
    expect(found.map(place)).toEqual([`partition 2 (ext4) → /hostname → ${field}`]);
    expect(found[0]?.probably).toBe(cause);
  });

  it.each([
    ['short', 2, 'program'],
    ['long', 3, 'y'.repeat(100)],
  ])('of a %s link to elsewhere', async (_length, index, target) => {
    const files = ext4Files.map((file, at) => (at === index ? {...file, target} : file));
    const name = ext4Files[index]?.name ?? '';
    expect((await compare('x.img', before, disk({ext4: {files}}))).map(place)).toEqual([
      `partition 2 (ext4) → /${name} → target`,
    ]);
  });

  it('with one file more says which', async () => {
    const files = [...ext4Files, {name: 'random-seed', content: 'x'}];
    expect(await compare('x.img', before, disk({ext4: {files}}))).toEqual([
      {
        path: ['partition 2 (ext4)', '/random-seed'],
        what: 'existence',
        before: 'absent',
        after: 'file',
        probably: 'a random seed: it is to be made at the first boot',
      },
    ]);
  });

  it('says what lies where no file is', async () => {
    const unused = await compare('x.img', before, changed(ext4Start + 200 * 1024 + 5, '!'));
    expect(unused.map(place)).toEqual([`partition 2 (ext4) → block 200 of group 0 ${200 * 1024 + 5}`]);
    const bitmap = await compare('x.img', before, changed(ext4Start + 3 * 1024, '!'));
    expect(bitmap.map(place)).toEqual(['partition 2 (ext4) → block bitmap of group 0 3072']);
  });

  it('of another boot partition goes into its files', async () => {
    const other = fatFiles.map((file) =>
      file.folder === undefined ? file : {...file, content: `${'d'.repeat(600)}!`},
    );
    expect((await compare('x.img', before, disk({fat: other}))).map(place)).toEqual([
      'partition 1 (FAT32) → /OVERLAYS/bcm2711-rpi-4-b.dtb → content 600',
    ]);
    expect((await compare('x.img', before, disk({volumeId: 1}))).map(place)).toEqual([
      'partition 1 (FAT32) → boot sector → volume id',
    ]);
    const later = fatFiles.map((file) => ({...file, mtime: 1_700_000_002}));
    expect((await compare('x.img', before, disk({fat: later}))).map(place)).toContain(
      'partition 1 (FAT32) → /CONFIG.TXT → mtime',
    );
  });

  it('of another partition table says what of it', async () => {
    expect(await compare('x.img', before, disk({diskId: 0xcafe}))).toMatchObject([
      {path: ['partition table'], what: 'disk id', before: '12345678', after: '0000cafe'},
    ]);
    expect((await compare('x.img', before, disk({sectors: 2050}))).map(place)).toEqual([
      'size',
      'the end behind the last partition → content 241664',
    ]);
  });

  it('with another byte in a part of the table that has no meaning says so', async () => {
    expect((await compare('x.img', before, changed(447, '!'))).map(place)).toEqual([
      'partition table → content 7',
    ]);
  });

  it('is looked at between the partitions, too', async () => {
    expect((await compare('x.img', before, changed(1000, '!'))).map(place)).toEqual([
      'the gap before partition 1 → content 488',
    ]);
    expect((await compare('x.img', before, changed(3, '!'))).map(place)).toEqual(['boot code → content 3']);
  });

  it('whose file system is damaged is compared byte by byte', async () => {
    // The extent tree of the root folder.
    const at = ext4Start + 5 * 1024 + 256 + 40;
    expect((await compare('x.img', before, changed(at, [0, 0]))).map(place)).toEqual([
      `partition 2 (ext4) → content ${5 * 1024 + 256 + 40}`,
    ]);
  });
});

describe('a zip of an image', () => {
  const zip = (image: Buffer, level = 6, time = 0) => makeZip('x.img', deflateRawSync(image, {level}), time);

  it('is unpacked first', async () => {
    const after = changed(ext4Start + ext4DataBlock(0) * 1024, 'B');
    expect((await compare('x.img.zip', zip(before), zip(after))).map(place)).toEqual([
      'partition 2 (ext4) → /hostname → content 0',
    ]);
  });

  it('with the same content and another header names the header', async () => {
    expect(await compare('x.img.zip', zip(before), zip(before, 6, 0x12345678))).toMatchObject([
      {path: [], what: 'zip header', offset: 10, probably: 'the time stamp in the header of zip'},
    ]);
  });

  it('with the same content, compressed in another way, says so', async () => {
    const [first] = await compare('x.img.zip', zip(before), zip(before, 1));
    expect(first).toMatchObject({what: 'packing (the content is the same)'});
  });

  it('that is none is compared byte by byte', async () => {
    expect((await compare('x.img.zip', Buffer.from('abc'), Buffer.from('abd'))).map(place)).toEqual([
      'content 2',
    ]);
  });
});
