import fc from 'fast-check';
import {describe, expect, it} from 'vitest';
import {parseOverlayTable} from '../../../configs/overlay-table.ts';

const paths = ['etc', 'etc/a', 'etc/with space', 'home', 'home/pirate', 'home/pirate/b'];

describe('parseOverlayTable', () => {
  it('reads modes, owners and paths', () => {
    const text = [
      '# comment',
      '',
      '0640 root:33 /etc/a',
      '  755\troot:root\t/etc/with space  ',
      '- pirate:pirate /home/pirate/**',
      '4755 0:0 /etc/',
    ].join('\r\n');
    expect(parseOverlayTable(text, paths)).toEqual({
      problems: [],
      rules: [
        {line: 3, path: 'etc/a', below: false, mode: '0640', owner: 'root', group: '33'},
        {line: 4, path: 'etc/with space', below: false, mode: '0755', owner: 'root', group: 'root'},
        {line: 5, path: 'home/pirate', below: true, mode: undefined, owner: 'pirate', group: 'pirate'},
        {line: 6, path: 'etc', below: false, mode: '4755', owner: '0', group: '0'},
      ],
    });
  });

  it.each([
    '0640 root /etc/a',
    '0840 root:root /etc/a',
    '64 root:root /etc/a',
    '0640 root:root etc/a',
    '0640 Root:root /etc/a',
    '0640 root:root',
    '0640 $(id):root /etc/a',
  ])('refuses %j', (line) => {
    const {rules, problems} = parseOverlayTable(`\n${line}`, paths);
    expect(rules).toEqual([]);
    expect(problems).toEqual([{line: 2, message: expect.stringContaining('must be a mode') as string}]);
  });

  it('refuses a path that the overlay does not have', () => {
    expect(parseOverlayTable('- root:root /etc/b\n- root:root /../etc/a', paths).problems).toEqual([
      {line: 1, message: 'there is no /etc/b in the overlay'},
      {line: 2, message: 'there is no /../etc/a in the overlay'},
    ]);
  });

  it('has one problem or one rule for each line that says something', () => {
    fc.assert(
      fc.property(fc.array(fc.string({unit: 'binary-ascii'})), (lines) => {
        const text = lines.map((line) => line.replaceAll(/[\r\n]/g, '')).join('\n');
        const {rules, problems} = parseOverlayTable(text, paths);
        const said = text.split('\n').filter((line) => line.trim() !== '' && !line.trim().startsWith('#'));
        expect(rules.length + problems.length).toBe(said.length);
      }),
    );
  });
});
