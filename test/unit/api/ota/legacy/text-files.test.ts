import fc from 'fast-check';
import {describe, expect, it} from 'vitest';
import {
  parseDirectory,
  parseLines,
  parsePersistent,
  parseRegular,
  parseSymlink,
  printDirectory,
  printLines,
  printRegular,
  printSymlink,
  quotePath,
} from '../../../../../api/ota/legacy/text-files.ts';

const path = fc
  .string({
    unit: fc.oneof(
      fc.constantFrom("'", '\\', ',', '"', ' ', '/', 'a'),
      fc.string({unit: 'binary', maxLength: 1}),
    ),
  })
  .filter((text) => text !== '' && !/[\n\r]/.test(text));
const number = fc.nat(2 ** 32 - 1);
const directory = fc.record({mode: fc.nat(0o7777), uid: number, gid: number, path});
const sha256 = fc.stringMatching(/^[0-9a-f]{64}$/);
const regular = fc.record(
  {
    mode: fc.nat(0o7777),
    uid: number,
    gid: number,
    path,
    linksCount: number,
    sha256,
    sizeBytes: fc.maxSafeNat(),
    inode: fc.stringMatching(/^[1-9][0-9]{0,9}$/),
    compression: fc.constant('zst'),
  },
  {requiredKeys: ['mode', 'uid', 'gid', 'path', 'linksCount', 'sha256']},
);

describe('a line that is written is read as it was', () => {
  it('of dirs.txt, symlinks.txt, regulars.txt and persistents.txt', () => {
    fc.assert(
      fc.property(directory, regular, path, (line, file, text) => {
        expect(parseDirectory(printDirectory(line))).toEqual(line);
        expect(parseSymlink(printSymlink({...line, target: text}))).toEqual({...line, target: text});
        expect(parseRegular(printRegular(file))).toEqual(file);
        expect(parsePersistent(quotePath(text))).toBe(text);
      }),
    );
  });

  it('and so is a file of them', () => {
    fc.assert(
      fc.property(fc.array(regular), (lines) => {
        expect(parseLines(printLines(lines, printRegular), parseRegular)).toEqual(lines);
      }),
    );
    expect(printLines([], printRegular)).toBe('');
  });
});

describe('lines of the reference', () => {
  it.each([
    String.raw`0644,0,0,1,f5ee${'0'.repeat(60)},'/opt/app/it'\''s quoted "x".txt',180,,`,
    `0644,0,0,3,e9d4${'0'.repeat(60)},'/opt/app/hl_a',89,2445011,`,
    `4755,0,0,1,e9d4${'0'.repeat(60)},'/bin/su',89,,zst`,
  ])('%s', (line) => {
    expect(printRegular(parseRegular(line))).toBe(line);
  });

  it('of every revision', () => {
    const start = `0644,0,0,1,${'a'.repeat(64)},'/a'`;
    expect(parseRegular(start)).not.toHaveProperty('sizeBytes');
    expect(parseRegular(`${start},12`)).toMatchObject({sizeBytes: 12});
    expect(parseRegular(`${start},12,34`)).toMatchObject({sizeBytes: 12, inode: '34'});
    expect(parseRegular(`${start},12,,zst`)).toMatchObject({compression: 'zst'});
  });
});

it.each([
  '',
  "0644,0,0,'/a",
  "0644,0,'/a'",
  "abcd,0,0,'/a'",
  '0644,0,0,/a',
  `0644,0,0,1,xyz,'/a'`,
  "0644,0,0,'/a'b'",
])('%j is refused', (line) => {
  for (const parse of [parseDirectory, parseSymlink, parseRegular]) {
    expect(() => parse(line)).toThrow(expect.objectContaining({code: 'METADATA_INVALID'}));
  }
});

it('a line break in a name cannot be written', () => {
  expect(() => quotePath('/a\nb')).toThrow(expect.objectContaining({code: 'PATH_UNSAFE'}));
});
