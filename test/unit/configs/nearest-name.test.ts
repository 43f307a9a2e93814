import fc from 'fast-check';
import {describe, expect, it} from 'vitest';
import {editDistance, findNearestName} from '../../../configs/nearest-name.ts';
import {componentNames, devices, rootFsTargets} from '../../../configs/schema.ts';

const word = fc.string({unit: fc.constantFrom('a', 'b', 'c', '_'), maxLength: 8});

describe('findNearestName', () => {
  it.each([
    ['root_sf', 'root_fs'],
    ['rootfs', 'root_fs'],
    ['root-fs', 'root_fs'],
    ['Root_FS', 'root_fs'],
    ['rpi_kernell', 'rpi_kernel'],
    ['kernel', 'rpi_kernel'],
    ['bootloader', 'rpi_bootloader'],
    ['sd_image', 'rpi_sd_image'],
    ['blankimage', 'blank_image'],
  ])('takes %s for the component %s', (text, name) => {
    expect(findNearestName(text, componentNames)).toBe(name);
  });

  it.each([
    ['arm46-debian', 'arm64-debian'],
    ['arm64_debian', 'arm64-debian'],
    ['arm64', 'arm64-debian'],
    ['raspbian', 'armhf-raspbian'],
    ['AMD64', 'amd64'],
    ['i486', 'i386'],
    ['mipz', 'mips'],
  ])('takes %s for the target %s', (text, name) => {
    expect(findNearestName(text, rootFsTargets)).toBe(name);
  });

  it.each(['', 'rpi', 'image', 'x', '__proto__', 'constructor', 'r'.repeat(10_000)])(
    'knows no component near %.20s',
    (text) => {
      expect(findNearestName(text, componentNames)).toBeUndefined();
    },
  );

  it('does not take one half of a short name for the whole', () => {
    expect(findNearestName('riscv', rootFsTargets)).toBeUndefined();
    expect(findNearestName('rock', devices)).toBeUndefined();
  });

  it('finds each name after one slip anywhere', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...componentNames),
        fc.nat(20),
        fc.constantFrom('delete', 'double', 'replace', 'swap'),
        (name, place, slip) => {
          const at = place % (name.length - 1);
          const [a = '', b = ''] = name.slice(at, at + 2);
          const slipped = {delete: b, double: a + a + b, replace: `x${b}`, swap: b + a}[slip];
          expect(findNearestName(name.slice(0, at) + slipped + name.slice(at + 2), componentNames)).toBe(
            name,
          );
        },
      ),
    );
  });
});

describe('editDistance', () => {
  it.each([
    ['', '', 0],
    ['', 'abc', 3],
    ['abc', 'abc', 0],
    ['abc', 'acb', 1],
    ['abcd', 'acbd', 1],
    ['kitten', 'sitting', 3],
    ['ca', 'abc', 3],
  ])('from %j to %j is %i', (a, b, distance) => {
    expect(editDistance(a, b)).toBe(distance);
  });

  it('is symmetric, zero only for equals, and within the obvious bounds', () => {
    fc.assert(
      fc.property(word, word, (a, b) => {
        const distance = editDistance(a, b);
        expect(distance).toBe(editDistance(b, a));
        expect(distance === 0).toBe(a === b);
        expect(distance).toBeGreaterThanOrEqual(Math.abs(a.length - b.length));
        expect(distance).toBeLessThanOrEqual(Math.max(a.length, b.length));
      }),
    );
  });
});
