import {describe, expect, it} from 'vitest';
import {isLive} from '../../../../cli/reporters/create-reporter.ts';
import {Collected} from '../terminal.ts';

describe('isLive', () => {
  const terminal = new Collected({isTTY: true});

  it.each([
    ['a terminal', terminal, {TERM: 'xterm'}, true],
    ['a pipe', new Collected(), {TERM: 'xterm'}, false],
    ['a terminal in CI', terminal, {TERM: 'xterm', CI: 'true'}, false],
    ['an empty CI variable', terminal, {TERM: 'xterm', CI: ''}, true],
    ['a terminal without cursor movement', terminal, {TERM: 'dumb'}, false],
  ])('%s', (_what, stderr, env, live) => {
    expect(isLive({stderr, env})).toBe(live);
  });
});
