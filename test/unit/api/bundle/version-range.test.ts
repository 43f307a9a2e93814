import fc from 'fast-check';
import {expect, it} from 'vitest';
import {findSeconds} from '../../../../api/bundle/duration.ts';
import {isVersionRange} from '../../../../api/bundle/version-range.ts';

it.each([
  '>=0.1.0',
  '>=0.1.0,<2.0.0',
  '>=0.1.0, <2.0.0',
  '>= 0.1.0 < 2.0.0',
  '!=1.2.3',
  '>=1.0.0 !=1.2.3 || ^3',
  '1.x',
  '~1.2',
  '*',
  '1.0.0 - 2.0.0',
  '1.0.0-rc.1',
])('"%s" is a range', (text) => {
  expect(isVersionRange(text)).toBe(true);
});

it.each([
  '',
  ' ',
  '>=',
  '>=a',
  '1.0.0,',
  ',1.0.0',
  '|| 1',
  '1 ||',
  '=>1.0.0',
  '==1.0.0',
  '01.0.0',
  '1.0.0.0',
  'latest',
  '!',
])('"%s" is none', (text) => {
  expect(isVersionRange(text)).toBe(false);
});

it('takes any number of comparisons in any mixture', () => {
  const version = fc.tuple(fc.nat(99), fc.nat(99), fc.nat(99)).map((parts) => parts.join('.'));
  const comparison = fc
    .tuple(fc.constantFrom('', '=', '!=', '<', '<=', '>', '>=', '~', '^'), fc.constantFrom('', ' '), version)
    .map(([operator, space, text]) => (operator === '' ? text : operator + space + text));
  const range = fc
    .array(
      fc
        .array(comparison, {minLength: 1, maxLength: 3})
        .chain((all) => fc.constantFrom(',', ', ', ' ').map((separator) => all.join(separator))),
      {minLength: 1, maxLength: 3},
    )
    .map((alternatives) => alternatives.join(' || '));
  fc.assert(fc.property(range, (text) => isVersionRange(text)));
});

it.each([
  ['90s', 90],
  ['10m', 600],
  ['1h30m', 5400],
  ['1500ms', 1.5],
])('%s has %d seconds', (text, seconds) => {
  expect(findSeconds(text)).toBe(seconds);
});

it.each(['', '10', 'm', '1.5h', '-1m', '0s', '10 m', '1d'])('"%s" is no duration', (text) => {
  expect(findSeconds(text)).toBeUndefined();
});
