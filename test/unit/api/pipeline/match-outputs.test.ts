import fc from 'fast-check';
import {describe, expect, it} from 'vitest';
import type {Output} from '../../../../api/components/step.ts';
import {matchesOutput, matchOutputs} from '../../../../api/pipeline/match-outputs.ts';

const output = (name: string): Output => ({name, delivered: true});

describe('matchesOutput', () => {
  it.each([
    ['a.img', 'a.img', true],
    ['a.img', 'b.img', false],
    ['a.img', 'a.img.zip', false],
    ['a.img', 'aximg', false],
    ['*-arm64.tar.gz', '6.12.57+deb13-arm64.tar.gz', true],
    ['*-arm64.tar.gz', '6.12.57+deb13-arm64.tar.gz.sha256', false],
    ['*-arm64.tar.gz', '-arm64.tar.gz', true],
    ['*-arm64.tar.gz', '6.12-arm64xtar.gz', false],
    ['ab*ba', 'aba', false],
    ['ab*ba', 'abba', true],
    ['*', '', true],
    ['*', 'anything', true],
  ])('%s and %s: %s', (pattern, file, matches) => {
    expect(matchesOutput(pattern, file)).toBe(matches);
  });

  it('is true for any text in the place of the star', () => {
    const text = fc.string().filter((part) => !part.includes('*'));
    fc.assert(
      fc.property(text, fc.string(), text, (start, middle, end) => {
        expect(matchesOutput(`${start}*${end}`, start + middle + end)).toBe(true);
      }),
    );
  });
});

describe('matchOutputs', () => {
  const kernel = [output('bootfiles.tar.gz'), output('*-arm64.tar.gz'), output('*-arm64.tar.gz.sha256')];

  it('finds the file of each output, and ignores what nobody asked for', () => {
    expect(
      matchOutputs(kernel, ['6.12-arm64.tar.gz', '6.12-arm64.tar.gz.sha256', 'bootfiles.tar.gz', 'notes']),
    ).toEqual({names: ['bootfiles.tar.gz', '6.12-arm64.tar.gz', '6.12-arm64.tar.gz.sha256'], missing: []});
  });

  it('names what is missing', () => {
    expect(matchOutputs(kernel, ['6.12-arm64.tar.gz.sha256'])).toEqual({
      names: ['6.12-arm64.tar.gz.sha256'],
      missing: ['bootfiles.tar.gz', '*-arm64.tar.gz'],
    });
  });

  it('does not choose between two files', () => {
    expect(matchOutputs([output('*-arm64.tar.gz')], ['1-arm64.tar.gz', '2-arm64.tar.gz'])).toEqual({
      names: [],
      missing: ['exactly one *-arm64.tar.gz'],
    });
  });
});
