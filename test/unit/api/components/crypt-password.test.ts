import fc from 'fast-check';
import {describe, expect, it} from 'vitest';
import {cryptPassword} from '../../../../api/components/crypt-password.ts';
import {isPasswordHash} from '../../../../configs/fields.ts';

describe('cryptPassword', () => {
  // The first is from the specification of SHA-crypt; the others are what openssl passwd -6 prints.
  it.each([
    [
      'Hello world!',
      'saltstring',
      'svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1',
    ],
    [
      'hypriot',
      'abcdefgh12345678',
      'koMmscLBOfUUGvV2T1tY9bvrdCFF0WhMcyZdPezfZp8MwZXZYNAbY7WZ95mPtONjVD/lJ9ctFZMjr9mr8NNis0',
    ],
    [
      'x',
      'abcdefgh12345678',
      'VvxI.Gvltucp0tBviwgUcKh3BBnwkL0TXvNujcfVOTD0WbIX2wnH16CfpFrsBuFisDAvIhOFDfLpcm/JOLFC0/',
    ],
    [
      'пароль🏴',
      'abcdefgh12345678',
      'zXaWelmTn06/FHTLU9gj7MZerIwkVzOGl7JyFnm0lzOScNwuZIOohA5LmmK6bTiFLVf/lck.7FWmBhSkUTAX40',
    ],
    [
      'a'.repeat(200),
      'abcdefgh12345678',
      'T54vH2VOIwaLAsaDDk.aptXs8WQDUY1o2xaAkdvq7zDHzIVwpLPjvynLBvYxJIs/CNVRsyegHQ8ImfiCUxMAy.',
    ],
  ])('of %.20s is what crypt(3) makes of it', (password, salt, hash) => {
    expect(cryptPassword(password, salt)).toBe(`$6$${salt}$${hash}`);
  });

  it('is a complete hash for every password, and another one for another password', () => {
    fc.assert(
      fc.property(fc.string({minLength: 1, unit: 'grapheme'}), (password) => {
        const hash = cryptPassword(password, 'salt');
        expect(isPasswordHash(hash)).toBe(true);
        expect(cryptPassword(`${password}x`, 'salt')).not.toBe(hash);
      }),
      {numRuns: 10},
    );
  });
});
