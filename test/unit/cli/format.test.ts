import fc from 'fast-check';
import {describe, expect, it} from 'vitest';
import {formatBytes, formatCount, formatDuration, formatTime} from '../../../cli/format.ts';

describe('formatBytes', () => {
  it.each([
    [0, '0 B'],
    [1, '1 B'],
    [1023, '1023 B'],
    [1024, '1.0 KiB'],
    [1536, '1.5 KiB'],
    [102_347, '99.9 KiB'],
    [102_400, '100 KiB'],
    [1_048_575, '1.0 MiB'],
    [188_743_680, '180 MiB'],
    [1_288_490_189, '1.2 GiB'],
    [2_147_483_648, '2.0 GiB'],
  ])('shows %d as %s', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });

  it('never needs more than eight columns and never shows 1024 of a unit that has a next one', () => {
    fc.assert(
      fc.property(fc.nat({max: Number.MAX_SAFE_INTEGER}), (bytes) => {
        const text = formatBytes(bytes);
        expect(text.length).toBeLessThanOrEqual(8);
        expect(text).not.toMatch(/^1024 /);
      }),
    );
  });
});

describe('formatDuration', () => {
  it.each([
    [-5, '0.0s'],
    [0, '0.0s'],
    [449, '0.4s'],
    [54_100, '54.1s'],
    [59_949, '59.9s'],
    [59_950, '1m 00s'],
    [125_000, '2m 05s'],
    [3_599_400, '59m 59s'],
    [3_599_600, '1h 00m'],
    [3_725_000, '1h 02m'],
    [360_000_000, '100h 00m'],
  ])('shows %d ms as %s', (milliseconds, text) => {
    expect(formatDuration(milliseconds)).toBe(text);
  });

  it('never shows 60 of a unit', () => {
    fc.assert(
      fc.property(fc.nat({max: 1e9}), (milliseconds) => {
        expect(formatDuration(milliseconds)).not.toMatch(/\b60(\.0)?[sm]/);
      }),
    );
  });
});

describe('formatTime', () => {
  it('shows a time in UTC', () => {
    expect(formatTime('2026-11-20T17:10:59.999Z')).toBe('2026-11-20 17:10 UTC');
    expect(formatTime('2026-11-20T23:30:00+02:00')).toBe('2026-11-20 21:30 UTC');
  });

  it('leaves what is no time as it is', () => {
    expect(formatTime('yesterday')).toBe('yesterday');
  });
});

it('formatCount knows one and many', () => {
  expect([0, 1, 2].map((count) => formatCount(count, 'step'))).toEqual(['0 steps', '1 step', '2 steps']);
  expect(formatCount(2, 'entry', 'entries')).toBe('2 entries');
});
