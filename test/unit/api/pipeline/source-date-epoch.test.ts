import {describe, expect, it} from 'vitest';
import {build} from '../../../../api/index.ts';
import {epochFromUser, sourceDateEpoch} from '../../../../api/pipeline/source-date-epoch.ts';

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

describe('the option sourceDateEpoch', () => {
  it.each([undefined, 315_532_800, 1_700_000_000, 4_354_819_199])('may be %s', (seconds) => {
    expect(epochFromUser(seconds, {})).toBe(seconds);
  });

  it('comes before the variable', () => {
    const env = {SOURCE_DATE_EPOCH: '1700000000'};
    expect(epochFromUser(1_600_000_000, env)).toBe(1_600_000_000);
    expect(epochFromUser(undefined, env)).toBe(1_700_000_000);
  });

  it.each([0, -1, 315_532_799, 4_354_819_200, 1_700_000_000.5, NaN, Infinity, 1_700_000_000_000])(
    'is refused when it is %s, before anything is asked of an engine',
    async (sourceDateEpoch) => {
      const refusal = {code: 'USAGE', message: expect.stringContaining(`, not ${sourceDateEpoch}`) as string};
      const host = 'unix:///there/is/no.sock';
      await expect(build({sourceDateEpoch, host})).rejects.toMatchObject(refusal);
      expect(() => epochFromUser(sourceDateEpoch, {})).toThrow(expect.objectContaining(refusal));
    },
  );
});
