import {describe, expect, it} from 'vitest';
import {runWith, spawnCli} from './run-command.ts';

const commands = [
  'build',
  'plan',
  'explain',
  'status',
  'boot',
  'flash',
  'personalise',
  'config',
  'verify',
  'clean',
  'cache',
  'upgrade',
  'ota',
  'content',
  'doctor',
];

describe('--help', () => {
  it('of the whole command', async () => {
    const {stdout, stderr, exitCode} = await runWith({}, ['--help']);
    expect(stdout).toMatchSnapshot();
    expect([stderr, exitCode]).toEqual(['', 0]);
    for (const command of commands) expect(stdout).toContain(`\n  ${command} `);
  });

  it.each(commands)('of %s has a purpose and an example', async (command) => {
    const {stdout, stderr, exitCode} = await runWith({}, [command, '--help']);
    expect(stdout).toMatchSnapshot();
    expect([stderr, exitCode]).toEqual(['', 0]);
    expect(stdout).toMatch(new RegExp(`\\$ hypriotkit ${command}`));
  });

  it('works in a real process, also as "help build"', async () => {
    const [help, shown] = await Promise.all([spawnCli('build', '--help'), spawnCli('help', 'build')]);
    expect(help.exitCode).toBe(0);
    expect(help.stdout).toContain('Usage: hypriotkit build');
    expect(shown).toEqual(help);
  });
});

it('--version prints the version of the package', async () => {
  const {default: manifest} = await import('../../../package.json', {with: {type: 'json'}});
  expect(await runWith({}, ['--version'])).toEqual({
    stdout: `${manifest.version}\n`,
    stderr: '',
    exitCode: 0,
  });
});
