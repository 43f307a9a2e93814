import fc from 'fast-check';
import {describe, expect, it} from 'vitest';
import {parseJsonDocument} from '../../../configs/json-document.ts';
import {linesOf} from './check.ts';

describe('a file that is not JSON', () => {
  it.each([
    ['', '1:1 the file is empty; list what to build, for example {"rpi_sd_image": {}}'],
    [' \n\t\n', '1:1 the file is empty; list what to build, for example {"rpi_sd_image": {}}'],
    ['{', '1:2 the file ends too early: expected "}"'],
    ['{\n  "root_fs": {\n\n', '2:15 the file ends too early: expected "}"'],
    ['{"root_fs": {"packages": ["a"', '1:30 the file ends too early: expected "]"'],
    ["{'root_fs': {}}", '1:2 not JSON: names and texts stand in double quotes'],
    ['{root_fs: {}}', '1:2 not JSON: names and texts stand in double quotes'],
    ['{"root_fs" {}}', '1:12 expected ":" after the name'],
    ['{"root_fs": }', '1:13 expected a value'],
    ['{"root_fs": {}\n "rpi_kernel": {}}', '2:2 expected a comma or a closing bracket before this'],
    ['{"root_fs": {}}}', '1:16 expected the end of the file'],
    ['{"root_fs": {"hostname": "a}}\n', '1:26 expected a closing double quote on the same line'],
    ['{"root_fs": {"hostname": "\\q"}}', '1:26 not a JSON escape; write \\\\ for a backslash'],
    ['{"root_fs": {"hostname": "\\u00"}}', '1:26 expected four hex digits after \\u'],
    [
      '{"root_fs": {"hostname": "a\tb"}}',
      '1:26 a line break, tab or control character in a text is written as \\n, \\t or \\u001f',
    ],
    ['{"root_fs": {"hostname": 1.}}', '1:26 expected more digits'],
    ['{,}', '1:2 expected a value'],
    ['{"root_fs": {}} /* open', '1:17 JSON has no comments, and this one does not end'],
  ])('%j', (text, line) => {
    expect(linesOf(text)).toEqual([line]);
  });

  it('is read on after comments and trailing commas', () => {
    const text = '{ // one\n  "root_fs": {"hostname": "a b",},\n  /* two\n */ "rpi_kernell": {}\n}';
    expect(linesOf(text)).toEqual([
      '1:3 JSON has no comments',
      '2:27 root_fs.hostname must be a host name (letters, digits, hyphens), found "a b"',
      '2:32 JSON allows no comma after the last item',
      '3:3 JSON has no comments',
      '4:5 unknown component "rpi_kernell", did you mean "rpi_kernel"?',
    ]);
  });

  it('is read on only to the first mistake that leaves doubt', () => {
    expect(linesOf('// x\n{"root_fs": {} {}} // y')).toEqual([
      '1:1 JSON has no comments',
      '2:16 expected a comma or a closing bracket before this',
    ]);
  });
});

describe('parseJsonDocument', () => {
  it('finds nothing wrong in any JSON', () => {
    fc.assert(
      fc.property(fc.json(), fc.constantFrom(undefined, 2, '\t'), (json, indent) => {
        const text = JSON.stringify(JSON.parse(json), null, indent);
        expect(parseJsonDocument(text).problems).toEqual([]);
      }),
    );
  });

  it('agrees with JSON.parse on what is JSON', () => {
    const token = fc.constantFrom(
      ...['{', '}', '[', ']', ',', ':', '"a"', '"', '\\', '1', '0', '-', '.', 'e5', 'true', 'null', 'nul'],
      ...[' ', '\n', '\r', '\t', '\u00a0', '\f', '//', '/*', '*/', "'", 'NaN', '\u2028', '\0'],
    );
    fc.assert(
      fc.property(fc.array(token, {maxLength: 8}), (tokens) => {
        const text = tokens.join('');
        let valid = true;
        try {
          JSON.parse(text);
        } catch {
          valid = false;
        }
        expect(parseJsonDocument(text).problems.length === 0).toBe(valid);
      }),
      {numRuns: 5000},
    );
  });
});
