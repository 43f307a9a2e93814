import {describe, expect, it} from 'vitest';
import {issuesOf, linesOf} from './check.ts';

const oneMiB = 1024 ** 2;
/** Far above what any of these takes, far below what an accidental square of the length takes. */
const timeout = 10_000;

describe('names that every object has', () => {
  it.each(['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty'])(
    '%s is unknown',
    (name) => {
      expect(linesOf(`{"${name}": {"polluted": 1}}`)[0]).toMatch(
        new RegExp(`^1:2 unknown component "${name}"`),
      );
      expect(linesOf(`{"root_fs": {"${name}": {"polluted": 1}}}`)[0]).toMatch(
        new RegExp(`^1:14 root_fs has no field "${name}"`),
      );
      expect({}).not.toHaveProperty('polluted');
    },
  );

  it('do no harm in a value', () => {
    expect(linesOf('{"root_fs": {"hostname": {"__proto__": {"polluted": 1}}}}')).toEqual([
      '1:26 root_fs.hostname must be a host name (letters, digits, hyphens), found an object',
    ]);
    expect({}).not.toHaveProperty('polluted');
  });

  it('are no values of an enumeration', () => {
    expect(linesOf('{"root_fs": {"target": "constructor"}}')[0]).toContain('must be one of arm64-debian');
  });
});

describe('numbers', () => {
  it.each(['1e999', '-1e999', '9'.repeat(5000), '1e-999', '-0', '0.1'])('%.20s is no size', (number) => {
    expect(issuesOf(`{"blank_image": {"size": ${number}}}`)).toHaveLength(1);
    expect(linesOf(`{"blank_image": {"size": ${number}}}`)[0]?.length).toBeLessThan(150);
  });
});

describe('depth', () => {
  it.each(['[', '{"a":'])('of 100000 times %s is an error with a position', (open) => {
    expect(linesOf(`{"root_fs": ${open.repeat(100_000)}`)).toEqual([
      `1:${13 + 63 * open.length} brackets are nested more than 64 levels deep`,
    ]);
  });

  it('of what is allowed does no harm', () => {
    expect(linesOf(`{"root_fs": ${'['.repeat(63)}${']'.repeat(63)}}`)).toHaveLength(1);
  });
});

describe('length', () => {
  it.each([
    ['a', 'image'],
    ['a-', 'image'],
    ['a.', 'hostname'],
    ['-', 'hostname'],
    ['1', 'version'],
    ['a', 'password'],
    ['$6$', 'password'],
    ['http://', 'mirror'],
    [':', 'mirror'],
  ])(
    '%s a million times is soon refused as %s',
    (part, field) => {
      const value = `${part.repeat(oneMiB / 2 / part.length)}!`;
      const lines = linesOf(JSON.stringify({root_fs: {[field]: value}}));
      expect(lines).toHaveLength(1);
      expect(lines[0]?.length).toBeLessThan(300);
    },
    timeout,
  );

  it(
    'of a key is limited in the message',
    () => {
      const [line] = linesOf(JSON.stringify({['k'.repeat(oneMiB / 2)]: {}}));
      expect(line?.length).toBeLessThan(300);
    },
    timeout,
  );

  it(
    'of a list with an error in each item gives all of them',
    () => {
      const packages = Array.from({length: 20_000}, (_, index) => `P${index}`);
      expect(issuesOf(JSON.stringify({root_fs: {packages}}))).toHaveLength(20_000);
    },
    timeout,
  );

  it(
    'of a file full of unknown keys on one line gives all of them',
    () => {
      const fields = Array.from({length: 20_000}, (_, index) => [`unknown_${index}`, {}]);
      expect(issuesOf(JSON.stringify(Object.fromEntries(fields)))).toHaveLength(20_000);
    },
    timeout,
  );

  it(
    'of a broken file does not matter',
    () => {
      expect(issuesOf('password '.repeat(oneMiB / 9))).toHaveLength(1);
      expect(issuesOf(`{${'"a": "://" '.repeat(oneMiB / 11)}`)).toHaveLength(1);
      expect(issuesOf(`${'\n'.repeat(oneMiB)}x`)).toHaveLength(1);
      expect(issuesOf(`{"root_fs": {}}${'/'.repeat(oneMiB)}`)).toHaveLength(1);
      expect(issuesOf(' '.repeat(oneMiB))).toHaveLength(1);
    },
    timeout,
  );
});

describe('texts', () => {
  it.each([
    ['an escape sequence', '\\u001b[2J\\u001b]0;owned\\u0007'],
    ['a C1 control', '\u009b2J'],
    ['a direction override', '\u202eabc'],
    ['an invisible character', 'black\u200bpearl'],
    ['half a character', '\\ud83c'],
    ['NUL', '\\u0000'],
    ['a line separator', '\u2028'],
  ])('with %s are refused and not printed as they are', (_, text) => {
    for (const json of [
      `{"root_fs": {"hostname": "${text}"}}`,
      `{"${text}": {}}`,
      `{"root_fs": {"${text}": 1}}`,
    ]) {
      const issues = issuesOf(json);
      expect(issues).toHaveLength(1);
      const {message, found = '', excerpt} = issues[0] ?? {};
      expect(`${message}${found}${excerpt?.text}`).not.toMatch(/[\p{C}\u2028]/u);
    }
  });
});
