import fc from 'fast-check';
import {describe, expect, it} from 'vitest';
import {findByteSize, findTimeSpan, formatByteSize, formatTimeSpan} from '../../../configs/human-units.ts';

describe('findByteSize', () => {
  it.each([
    ['0', 0],
    ['512', 512],
    ['5.9 bytes', 5],
    ['8G', 8e9],
    ['8 gb', 8e9],
    ['1K', 1000],
    ['1kfoo', 1000],
    ['10 G B', 10e9],
    ['3MiBs', 3_145_728],
    ['2 megabytes', 2_000_000],
    [' 1 mebibyte ', 1_048_576],
    ['2.4GiB', 2_576_980_377],
    ['1t', 1e12],
  ])('reads %j', (text, bytes) => expect(findByteSize(text)).toBe(bytes));

  it.each(['', 'G', '-1', '-5G', '1e9', '1,5G', '.5G', '1.G', '1x', '1 s', '1G5M', '9999999Y', '0x10'])(
    'refuses %j',
    (text) => expect(findByteSize(text)).toBeUndefined(),
  );

  it('reads back what formatByteSize prints, as far as it is exact', () => {
    fc.assert(
      fc.property(
        fc.nat({max: 1023}),
        fc.constantFrom(1, 1024, 1024 ** 2, 1024 ** 3, 1024 ** 4),
        (count, unit) => {
          expect(findByteSize(formatByteSize(count * unit))).toBe(count * unit);
        },
      ),
    );
  });

  it('never gives a negative, broken or endless number', () => {
    fc.assert(
      fc.property(
        fc.string({unit: fc.constantFrom(...Array.from('0123456789.,-+ eEkKmMgGiIbBsS'))}),
        (text) => {
          const bytes = findByteSize(text) ?? 0;
          expect(Number.isSafeInteger(bytes) && bytes >= 0).toBe(true);
        },
      ),
    );
  });
});

describe('findTimeSpan', () => {
  it.each([
    ['0', 0],
    ['90', 90],
    ['500ms', 0],
    ['1M', 60],
    ['2 mins', 120],
    ['1.5 hours', 5400],
    ['30d', 2_592_000],
    ['4 Weeks', 2_419_200],
    ['1y', 31_449_600],
  ])('reads %j', (text, seconds) => expect(findTimeSpan(text)).toBe(seconds));

  it.each(['', 'd', '-1d', '1h30m', '1 month', '1 hs', '1e3s', '1,5h'])('refuses %j', (text) =>
    expect(findTimeSpan(text)).toBeUndefined(),
  );
});

it.each([
  [0, '0 bytes'],
  [1, '1 byte'],
  [1023, '1023 bytes'],
  [1024, '1 KiB'],
  [1536, '1.5 KiB'],
  [1024 ** 2 - 1, '1 MiB'],
  [2_641_404_887, '2.46 GiB'],
])('%d is %s', (bytes, text) => expect(formatByteSize(bytes)).toBe(text));

it.each([
  [0, '0 seconds'],
  [90, '1 minute and 30 seconds'],
  [30 * 86_400, '4 weeks and 2 days'],
  [52 * 604_800 + 86_400, '1 year and 1 day'],
  [604_800 + 86_400 + 3600 + 60, '1 week, 1 day and 1 hour'],
])('%d seconds are %s', (seconds, text) => expect(formatTimeSpan(seconds)).toBe(text));
