import {describe, expect, it} from 'vitest';
import {ConfigError, formatConfigIssue, type ConfigIssue} from '../../../configs/config-error.ts';

const issue: ConfigIssue = {
  file: '/project/configs.json',
  line: 4,
  column: 17,
  message: 'root_fs.hostname must be a host name (letters, digits, hyphens)',
  found: '"black pearl"',
  excerpt: {text: '"hostname": "black pearl",', start: 12, length: 13},
};

describe('formatConfigIssue', () => {
  it('shows position, message, what was found, the line and a squiggle', () => {
    expect(formatConfigIssue(issue, '/project')).toBe(
      `configs.json:4:17 root_fs.hostname must be a host name (letters, digits, hyphens), found "black pearl"
    "hostname": "black pearl",
                ~~~~~~~~~~~~~`,
    );
  });

  it('shows the nearest name', () => {
    const unknown: ConfigIssue = {
      file: '/project/a/configs.json',
      line: 1,
      column: 2,
      message: 'unknown component "root_sf"',
      suggestion: 'root_fs',
    };
    expect(formatConfigIssue(unknown, '/project')).toBe(
      'a/configs.json:1:2 unknown component "root_sf", did you mean "root_fs"?',
    );
  });

  it('shows an absolute path outside the folder, and no position for the whole file', () => {
    expect(formatConfigIssue({file: '/other/configs.json', message: 'does not exist'}, '/project')).toBe(
      '/other/configs.json: does not exist',
    );
  });

  it('keeps tabs, so that the squiggle stands under the text', () => {
    const tabbed = {...issue, excerpt: {text: '"hostname":\t"black pearl"', start: 12, length: 13}};
    expect(formatConfigIssue(tabbed).split('\n')[2]).toBe(`    ${' '.repeat(11)}\t${'~'.repeat(13)}`);
  });
});

describe('ConfigError', () => {
  it('has a stable name and code, and all issues in its message', () => {
    const error = new ConfigError('CONFIG_INVALID', [issue, {...issue, line: 5}]);
    expect(error).toBeInstanceOf(Error);
    expect(error).toMatchObject({
      name: 'ConfigError',
      code: 'CONFIG_INVALID',
      issues: [issue, {...issue, line: 5}],
    });
    expect(error.message).toContain(':4:17 root_fs.hostname');
    expect(error.message).toContain(':5:17 root_fs.hostname');
  });

  it('shows twenty of many issues in its message and keeps all of them', () => {
    const error = new ConfigError('CONFIG_INVALID', Array<ConfigIssue>(25).fill(issue));
    expect(error.issues).toHaveLength(25);
    expect(error.message.match(/:4:17/g)).toHaveLength(20);
    expect(error.message).toMatch(/… and 5 more$/);
  });
});
