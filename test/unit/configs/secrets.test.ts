import fc from 'fast-check';
import {describe, expect, it} from 'vitest';
import {formatConfigIssue} from '../../../configs/config-error.ts';
import {isSecretName} from '../../../configs/secrets.ts';
import {issuesOf} from './check.ts';

const secret = 'h7Zq.k4W';

/** Everything that an error says, for people and for machines. */
function everythingSaid(text: string): string {
  const issues = issuesOf(text);
  expect(issues.length).toBeGreaterThan(0);
  return JSON.stringify(issues) + issues.map((issue) => formatConfigIssue(issue)).join('\n');
}

describe('a password is not printed', () => {
  it.each([
    ['when it is wrong', `{"root_fs": {"password": "${secret}\\n"}}`],
    ['when it is a broken hash', `{"root_fs": {"password": "$6$${secret}"}}`],
    ['when it is in a list', `{"root_fs": {"password": ["${secret}",\n "${secret}"]}}`],
    ['when it is in an object', `{"root_fs": {"password": {"a": "${secret}"}}}`],
    ['when it is next to another error', `{"root_fs": {"hostname": "a b", "password": "${secret}"}}`],
    ['when it is there twice', `{"root_fs": {"password": "${secret}", "password": "${secret}"}}`],
    ['when its name is misspelt', `{"root_fs": {"pasword": "${secret}"}}`],
    ['when its name is in upper case', `{"root_fs": {"PASSWORD": "${secret}"}}`],
    ['when its name is another one', `{"root_fs": {"passwd": "${secret}", "pwd": "${secret}"}}`],
    ['when its name has an escape', `{"root_fs": {"pass\\u0077ord": "${secret}\\n"}}`],
    ['when it stands outside a component', `{"password": "${secret}"}`],
    ['when its quotes are open', `{"root_fs": {"password": "${secret}}}`],
    ['when it has no quotes', `{"root_fs": {"password": ${secret} x}}`],
    ['when it has single quotes', `{"root_fs": {"password": '${secret}'}}`],
    ['when it has a quote inside', `{"root_fs": {"password": "a"${secret}"}}`],
    ['when it has a line break inside', `{"root_fs": {"password": "a\n${secret}"}}`],
    ['when it is on the next line', `{"root_fs": {"password":\n  ${secret}}}`],
    ['when the colon is missing', `{"root_fs": {"password" "${secret}"}}`],
    ['when an equals sign is there', `{"root_fs": {password = "${secret}"}}`],
    ['when it is misspelt in a broken file', `{"root_fs": {"pasword" "${secret}"}}`],
    ['when it is in a comment', `{"root_fs": {}} // the old password: ${secret}`],
    ['when it is in an address', `{"root_fs": {"mirror": "https://me:${secret}@mirror.example/"}}`],
    [
      'when it is in an address with an @ more',
      `{"root_fs": {"repo": "https://${secret}@x@mirror.example/ x"}}`,
    ],
    [
      'when it is in an escaped address',
      `{"root_fs": {"mirror": "https:\\/\\/me:${secret}@mirror.example/"}}`,
    ],
  ])('%s', (_, text) => {
    expect(everythingSaid(text)).not.toContain(secret);
  });

  it('whatever is wrong with the file', () => {
    const good = `{\n  "root_fs": {"hostname": "a b", "password": "${secret}", "target": "x"},\n  "zz": {}\n}`;
    fc.assert(
      fc.property(
        fc.nat(good.indexOf('"password"') - 1),
        fc.constantFrom('', '"', '{', '}', ',', ':', '//', '\n', "'"),
        fc.nat(3),
        (place, insert, remove) => {
          const text =
            good.slice(0, place) + insert + good.slice(Math.min(place + remove, good.indexOf('"password"')));
          expect(everythingSaid(text)).not.toContain(secret);
        },
      ),
      {numRuns: 1000},
    );
  });

  it('but its place is shown', () => {
    const text = '{"root_fs": {"password": "", "hostname": "a b"}}';
    expect(issuesOf(text).map((issue) => formatConfigIssue(issue, '/project'))).toEqual([
      `configs.json:1:26 root_fs.password must not be empty, found ********
    {"root_fs": {"password": **, "hostname": "a b"}}
                             ~~`,
      `configs.json:1:42 root_fs.hostname must be a host name (letters, digits, hyphens), found "a b"
    {"root_fs": {"password": **, "hostname": "a b"}}
                                             ~~~~~`,
    ]);
  });
});

describe('isSecretName', () => {
  it.each(['password', 'Password', 'pasword', 'passwd', 'passphrase', 'pwd', 'client_secret'])(
    'is true for %s',
    (name) => {
      expect(isSecretName(name)).toBe(true);
    },
  );

  it.each(['hostname', 'image', 'repo', 'version', 'packages', ''])('is false for %s', (name) => {
    expect(isSecretName(name)).toBe(false);
  });
});
