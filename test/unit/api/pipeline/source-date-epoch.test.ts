import {describe, expect, it} from 'vitest';
import {sourceDateEpoch} from '../../../../api/pipeline/source-date-epoch.ts';

const read = (text: string | undefined) => sourceDateEpoch({SOURCE_DATE_EPOCH: text});

describe('sourceDateEpoch', () => {
  it.each([undefined, ''])('is absent for %j', (text) => {
    expect(read(text)).toBeUndefined();
    expect(sourceDateEpoch({})).toBeUndefined();
  });

  it.each([
    ['315532800', 315_532_800],
    ['1700000000', 1_700_000_000],
    ['4354819199', 4_354_819_199],
    ['0001700000000', 1_700_000_000],
  ])('reads %s', (text, seconds) => {
    expect(read(text)).toBe(seconds);
  });

  it.each([
    '0',
    '315532799',
    '4354819200',
    '-1700000000',
    '+1700000000',
    '1700000000.5',
    '1.7e9',
    '0x6553f100',
    ' 1700000000',
    '1700000000\n',
    '2023-11-14',
    'now',
    '1'.repeat(400),
    '١٧٠٠٠٠٠٠٠٠',
  ])('refuses %j and quotes it', (text) => {
    expect(() => read(text)).toThrow(
      expect.objectContaining({code: 'USAGE', message: expect.stringContaining(`"${text}"`) as string}),
    );
  });
});
