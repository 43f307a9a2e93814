import fc from 'fast-check';
import {createHash} from 'node:crypto';
import {describe, expect, it} from 'vitest';
import {formatBmap, parseBmap} from '../../../../api/disk/bmap.ts';
import {joinRanges} from '../../../../api/disk/byte-range.ts';
import {bufferSource} from '../../../../api/disk/byte-source.ts';
import {DamagedError} from '../../../../api/disk/file-system.ts';
import {PatchedSource} from '../../../../api/disk/patched-source.ts';
import {findUsedRanges} from '../../../../api/disk/used-ranges.ts';
import {readReferenceBmap, readReferenceDisk} from './reference-disk.ts';

const disk = await readReferenceDisk('fat32');
const text = await readReferenceBmap('fat32');

describe('the block map', () => {
  it('of the build image is what the file systems of the image say', async () => {
    const {imageBytes, ranges} = parseBmap(text);
    expect(imageBytes).toBe(disk.length);
    expect(await findUsedRanges(bufferSource(disk))).toEqual(ranges.map(({start, end}) => ({start, end})));
    for (const {start, end, sha256} of ranges)
      expect(createHash('sha256').update(disk.subarray(start, end)).digest('hex')).toBe(sha256);
  });

  it('is written as it was read', () => {
    expect(formatBmap(parseBmap(text))).toBe(text);
  });

  it.each([
    ['is something else', () => '<html></html>', 'no block map'],
    ['comes from the future', (old: string) => old.replace('"2.0"', '"3.0"'), 'format 3'],
    ['was changed', (old: string) => old.replace('256-399', '256-398'), 'checksum'],
    ['is cut off', (old: string) => old.slice(0, -60).replace('sha256 <', 'none <'), 'list all'],
    [
      'goes backwards',
      (old: string) => old.replace('256-399', '399-256').replace('sha256 <', 'none <'),
      'not possible',
    ],
  ])('that %s is refused', (_what, change, message) => {
    expect(() => parseBmap(change(text))).toThrow(DamagedError);
    expect(() => parseBmap(change(text))).toThrow(message);
  });

  it('takes an image without a partition table whole', async () => {
    expect(await findUsedRanges(bufferSource(Buffer.alloc(8192)))).toEqual([{start: 0, end: 8192}]);
  });

  it('takes a damaged partition whole, and a boot loader before it', async () => {
    const damaged = Buffer.from(disk);
    damaged.writeUInt32LE(0, 9216 * 4096 + 1024 + 32);
    damaged[70_000] = 1;
    const ranges = await findUsedRanges(bufferSource(damaged));
    expect(ranges[0]).toEqual({start: 0, end: 400 * 4096});
  });
});

it('ranges are widened, joined and cut', () => {
  const options = {blockBytes: 10, gapBytes: 10, sizeBytes: 95};
  expect(
    joinRanges(
      [
        {start: 41, end: 42},
        {start: 3, end: 12},
        {start: 30, end: 31},
        {start: 91, end: 99},
        {start: 200, end: 201},
      ],
      options,
    ),
  ).toEqual([
    {start: 0, end: 50},
    {start: 90, end: 95},
  ]);
});

it('a patched source reads as if it had been written', async () => {
  const writes = fc.array(fc.tuple(fc.nat(3999), fc.uint8Array({maxLength: 1500})), {maxLength: 8});
  await fc.assert(
    fc.asyncProperty(writes, fc.nat(3999), fc.nat(4000), async (list, at, length) => {
      const base = Buffer.alloc(4000, 0x55);
      const expected = Buffer.from(base);
      const patched = new PatchedSource(bufferSource(base));
      for (const [offset, bytes] of list) {
        const piece = Buffer.from(bytes.subarray(0, 4000 - offset));
        await patched.write(offset, piece);
        piece.copy(expected, offset);
      }
      expect(await patched.read(at, length)).toEqual(expected.subarray(at, at + length));
      const whole = Buffer.from(base);
      patched.applyTo(whole, 0);
      expect(whole).toEqual(expected);
      expect(base.every((byte) => byte === 0x55)).toBe(true);
    }),
  );
});
