import fc from 'fast-check';
import {describe, expect, it} from 'vitest';
import {SourceText} from '../../../configs/source-text.ts';
import {issuesOf, linesOf} from './check.ts';

/** The character of `text` at a line and column, as an editor counts them. */
function offsetOf(text: string, line: number, column: number): number {
  const lines = text.split(/(?<=\r\n|\n|\r(?!\n))/);
  return lines.slice(0, line - 1).join('').length + column - 1;
}

const indent = fc.constantFrom(undefined, 1, 2, 7, '\t');
const lineEnd = fc.constantFrom('\n', '\r\n', '\r');
const unknownKey = fc
  .string({unit: 'grapheme', maxLength: 12})
  // A key that means something, or that hides its value, is another test.
  .map((key) => `zz${key}`);
const hosts = fc.array(fc.constantFrom('pearl', 'kraken', 'a.b'), {maxLength: 4});

describe('the position of an unknown key', () => {
  it('is exactly that of the key, in any layout', () => {
    fc.assert(
      fc.property(
        unknownKey,
        hosts,
        fc.nat(4),
        indent,
        lineEnd,
        fc.boolean(),
        (key, names, place, space, eol, top) => {
          const values = [
            ['hostname', names[0] ?? 'pearl'],
            ['packages', names.map((name, index) => `${name}${index}`)],
            ['version', 'v2'],
            ['suite', 'sid'],
          ] as const;
          const fields: (readonly [string, unknown])[] = top ? [] : [...values];
          fields.splice(place, 0, ...(top ? [] : [[key, 'é🏴‍☠️'] as [string, unknown]]));
          const components: (readonly [string, unknown])[] = [
            ['base_image', {}],
            ['root_fs', Object.fromEntries(top ? values : fields)],
            ['blank_image', {}],
          ];
          if (top) {
            components.splice(place % 4, 0, [key, {}]);
          }
          const text = JSON.stringify(Object.fromEntries(components), null, space).replaceAll('\n', eol);
          const [issue, ...others] = issuesOf(text);
          expect(others).toEqual([]);
          expect(offsetOf(text, issue?.line ?? 0, issue?.column ?? 0)).toBe(
            text.indexOf(JSON.stringify(key)),
          );
          expect(issue?.excerpt?.length).toBeGreaterThan(0);
        },
      ),
      {numRuns: 500},
    );
  });
});

describe('the excerpt', () => {
  it('marks exactly the bad text, on a line of any length', () => {
    fc.assert(
      fc.property(fc.nat(300), fc.nat(300), fc.nat(50), (before, after, length) => {
        const bad = `"${'ü'.repeat(length)}"`;
        const text = `{"base_image":${' '.repeat(before)}{}, "root_fs": {"hostname":${bad}}${' '.repeat(after)}}`;
        const [issue] = issuesOf(text);
        const {excerpt, column} = issue ?? {};
        expect(column).toBe(text.indexOf(bad) + 1);
        expect(excerpt?.text.slice(excerpt.start, excerpt.start + excerpt.length)).toBe(bad);
        expect(excerpt?.text.length).toBeLessThan(115);
      }),
    );
  });

  it('ends with the line when the bad part does not', () => {
    const [issue] = issuesOf('{"root_fs": [\n1,\n2]}');
    expect(issue?.excerpt).toEqual({text: '{"root_fs": [', start: 12, length: 1});
  });

  it('has no characters that a terminal obeys', () => {
    const [issue] = issuesOf('{"\u202ezz\u009b31m": {}}');
    expect(issue?.excerpt?.text).toBe('{"\ufffdzz\ufffd31m": {}}');
    expect(issue?.message).toContain('"\\u{202e}zz\\u{9b}31m"');
  });
});

it('counts after a byte order mark, and in UTF-16 code units', () => {
  expect(linesOf('{"$schema": "🏴", "zz": 1}')[0]).toMatch(/^1:19 /);
});

it('knows the line of each offset', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom('a', 'bc', '\n', '\r\n', '\r')), (parts) => {
      const text = parts.join('');
      const source = new SourceText('/x', text);
      for (let offset = 0; offset <= text.length; offset++) {
        // A line break belongs to the line that it ends.
        const before = text.slice(0, offset) + (text.slice(offset - 1, offset + 1) === '\r\n' ? '\n' : '');
        const breaks = before.match(/\r\n|\n|\r/g)?.length ?? 0;
        const inside = text.slice(offset - 1, offset + 1) === '\r\n' ? 1 : 0;
        expect(source.lineAt(offset)).toBe(breaks - inside + 1);
      }
    }),
  );
});
