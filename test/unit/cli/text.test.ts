import fc from 'fast-check';
import {describe, expect, it} from 'vitest';
import {cleanLine, columns, indent, padEnd, padStart, truncate, widthOf, wrap} from '../../../cli/text.ts';

/** Text as containers print it: any script, wide characters, combining marks, emoji, control characters. */
const anyText = fc.string({
  unit: fc.oneof(
    fc.string({unit: 'grapheme'}),
    fc.constantFrom('日', '👩‍👩‍👧', 'e\u0301', '\u001B[31m', '\t', '\r'),
  ),
});

describe('cleanLine', () => {
  it.each([
    ['colours', '\u001B[1;32mok\u001B[0m done', 'ok done'],
    ['what a carriage return overwrote', ' 10%\r 20%\r 30%', ' 30%'],
    ['a carriage return at the end', 'ready\r', 'ready'],
    ['tabs', 'a\tb', 'a  b'],
    ['cursor movement and titles', '\u001B[2Ka\u001B]0;title\u0007b', 'ab'],
    ['bells and zero bytes', 'a\u0007\u0000b', 'ab'],
    ['line separators', 'a\u2028b', 'ab'],
  ])('removes %s', (_what, line, clean) => {
    expect(cleanLine(line)).toBe(clean);
  });

  it('leaves nothing that moves the cursor', () => {
    fc.assert(
      fc.property(anyText, (line) => {
        expect(cleanLine(line)).not.toMatch(/\p{Cc}/u);
      }),
    );
  });
});

describe('truncate', () => {
  it.each([
    ['abc', 3, 'abc'],
    ['abcd', 3, 'ab…'],
    ['abc', 1, '…'],
    ['abc', 0, ''],
    ['', 5, ''],
    ['日本語', 6, '日本語'],
    ['日本語', 5, '日本…'],
    ['日本語', 4, '日…'],
    ['e\u0301e\u0301e\u0301', 2, 'e\u0301…'],
  ])('cuts %j at %d to %j', (text, width, cut) => {
    expect(truncate(text, width)).toBe(cut);
  });

  it('never exceeds the width, and changes nothing that fits', () => {
    fc.assert(
      fc.property(anyText.map(cleanLine), fc.nat({max: 60}), (text, width) => {
        const cut = truncate(text, width);
        expect(widthOf(cut)).toBeLessThanOrEqual(width);
        if (widthOf(text) <= width) expect(cut).toBe(width === 0 ? '' : text);
      }),
    );
  });

  it('does not measure more of a huge line than it shows', () => {
    const line = 'x'.repeat(50_000_000);
    const start = performance.now();
    expect(widthOf(truncate(line, 80))).toBe(80);
    expect(performance.now() - start).toBeLessThan(500);
  });
});

describe('padding', () => {
  it('counts columns and not characters', () => {
    expect(padEnd('日本', 6)).toBe('日本  ');
    expect(padStart('日本', 6)).toBe('  日本');
    expect(padEnd('abc', 2)).toBe('abc');
  });
});

describe('wrap', () => {
  it('breaks at spaces', () => {
    expect(wrap('the root file system is new', 12)).toEqual(['the root', 'file system', 'is new']);
  });

  it('gives a word that is too long a line of its own', () => {
    expect(wrap('a sha256:0123456789 b', 8)).toEqual(['a', 'sha256:0123456789', 'b']);
  });

  it('makes no line of nothing', () => {
    expect(wrap(' ', 8)).toEqual([]);
  });
});

describe('columns', () => {
  it('aligns to the left, to the right where asked, and leaves no spaces at the end', () => {
    expect(
      columns(
        [
          ['root_fs', '180 MiB', 'x'],
          ['', '97 B', ''],
        ],
        [1],
      ),
    ).toEqual(['root_fs  180 MiB  x', '            97 B']);
  });
});

it('indent leaves empty lines empty', () => {
  expect(indent('a\n\nb', '  ')).toBe('  a\n\n  b');
});
