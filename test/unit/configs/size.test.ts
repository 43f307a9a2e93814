import fc from 'fast-check';
import {describe, expect, it} from 'vitest';
import {findSize, formatSize, MiB, parseSize} from '../../../configs/size.ts';

describe('parseSize', () => {
  it.each([
    ['1MiB', 1_048_576],
    ['256MiB', 268_435_456],
    ['2GiB', 2_147_483_648],
    ['1MB', 1_000_000],
    ['3GB', 3_000_000_000],
  ])('reads %s', (text, bytes) => {
    expect(parseSize(text)).toBe(bytes);
  });

  it.each([
    '',
    '2',
    'GiB',
    '2 GiB',
    ' 2GiB',
    '2GiB\n',
    '2gib',
    '2G',
    '2g',
    '512M',
    '1.5GiB',
    '-1GiB',
    '+1GiB',
    '0GiB',
    '02GiB',
    '0x2GiB',
    '1e3MiB',
    '2TiB',
    '2KiB',
    '٢GiB',
    '2GiB2GiB',
  ])('refuses %j', (text) => {
    expect(findSize(text)).toBeUndefined();
    expect(() => parseSize(text)).toThrow(RangeError);
  });

  it('says what it wanted and what it got', () => {
    expect(() => parseSize('512M')).toThrow(
      'Expected a size such as "512MiB" or "2GiB" (units MiB, GiB, MB, GB), got "512M"',
    );
  });

  it('refuses what a number cannot hold exactly', () => {
    expect(() => parseSize('99999999999GiB')).toThrow(RangeError);
  });

  it('reads any number of any unit, as a multiple of the unit', () => {
    const units = {MiB: 2n ** 20n, GiB: 2n ** 30n, MB: 10n ** 6n, GB: 10n ** 9n};
    fc.assert(
      fc.property(
        fc.integer({min: 1, max: 8_000_000}),
        fc.constantFrom('MiB', 'GiB', 'MB', 'GB'),
        (count, unit) => {
          expect(BigInt(parseSize(`${count}${unit}`))).toBe(BigInt(count) * units[unit]);
        },
      ),
    );
  });

  it('reads nothing but its own grammar', () => {
    const part = fc.constantFrom('0', '1', '9', 'M', 'G', 'i', 'B', 'MiB', 'GB', ' ', '.', '-', '\n');
    fc.assert(
      fc.property(fc.array(part, {maxLength: 6}), (parts) => {
        const text = parts.join('');
        expect(findSize(text) !== undefined).toBe(/^[1-9][0-9]*(M|G)i?B$/.test(text) && !text.includes('\n'));
      }),
    );
  });
});

describe('formatSize', () => {
  it('is read back by parseSize', () => {
    fc.assert(
      fc.property(fc.integer({min: 1, max: 1_048_576}), (count) => {
        expect(parseSize(formatSize(count * MiB))).toBe(count * MiB);
      }),
    );
  });
});
