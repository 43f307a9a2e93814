import fc from 'fast-check';
import {expect, test} from 'vitest';
import {chooseImageSize, smallestImage} from '../../../../api/content/sizes.ts';

const item = (bytes: number) => ({name: `files[0] ${bytes}`, bytes, isGuess: false});

test('the smallest image is that of the reference', () => {
  // rootfs + raw + a tenth, up to whole sectors.
  expect(smallestImage({baseBytes: 0, rootBytes: 2_638_217_216, items: [item(1_000_000_005)]})).toBe(
    3_738_217_472,
  );
  expect(smallestImage({baseBytes: 5_000_000_001, rootBytes: 2_638_217_216, items: []})).toBe(5_000_000_512);
});

test('holds for all sizes: whole sectors, never below the base or the content', () => {
  const size = fc.nat({max: 2 ** 40});
  fc.assert(
    fc.property(size, size, fc.array(size, {maxLength: 6}), (baseBytes, rootBytes, sizes) => {
      const smallest = smallestImage({baseBytes, rootBytes, items: sizes.map(item)});
      const raw = sizes.reduce((sum, bytes) => sum + bytes, 0);
      expect(smallest % 512).toBe(0);
      expect(smallest).toBeGreaterThanOrEqual(baseBytes);
      expect(smallest).toBeGreaterThanOrEqual(rootBytes + raw + Math.floor(raw / 10));
      expect(smallest - Math.max(baseBytes, rootBytes + raw + Math.floor(raw / 10))).toBeLessThan(512);
    }),
  );
});

test('an image of a wanted size is no smaller, and with shrink no larger than it must be', () => {
  const input = {baseBytes: 1000, rootBytes: 500, items: [item(10_000)]};
  expect(chooseImageSize(input, {outputBytes: 1_000_000, shrink: false})).toBe(1_000_448);
  expect(chooseImageSize(input, {outputBytes: 1_000_000, shrink: true})).toBe(11_776);
  expect(chooseImageSize(input, {outputBytes: undefined, shrink: false})).toBe(11_776);
  expect(() => chooseImageSize(input, {outputBytes: 11_000, shrink: true})).toThrow(
    '776 bytes) more than output.size allows',
  );
});
