import {expect, it} from 'vitest';
import {findDuration} from '../../../cli/duration.ts';

it.each([
  ['45s', 45_000],
  ['90m', 5_400_000],
  ['12h', 43_200_000],
  ['7d', 604_800_000],
  ['2w', 1_209_600_000],
])('%s', (text, ms) => {
  expect(findDuration(text)).toBe(ms);
});

it.each([
  '',
  '7',
  'd',
  '0d',
  '-1d',
  '+1d',
  '1.5d',
  '1e3d',
  '7 d',
  ' 7d',
  '7d ',
  '7D',
  '7days',
  '1h30m',
  '07d',
  '7d\n',
  '99999999999d',
])('%j is no duration', (text) => {
  expect(findDuration(text)).toBeUndefined();
});
