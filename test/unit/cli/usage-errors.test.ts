import {describe, expect, it} from 'vitest';
import {runWith, spawnCli} from './run-command.ts';

describe('wrong usage exits 2 and says what to do on stderr', () => {
  it.each([
    ['an unknown command', ['biuld'], "error: unknown command 'biuld'\n(Did you mean build?)"],
    [
      'an unknown option',
      ['build', '--targt', 'x'],
      "error: unknown option '--targt'\n(Did you mean --target?)",
    ],
    ['no number of jobs', ['build', '--jobs', '0'], 'Expected a positive integer, got "0".'],
    [
      'too large a number',
      ['build', '--jobs', '9999999999'],
      'Expected a positive integer, got "9999999999".',
    ],
    ['an unknown verbosity', ['build', '--verbosity', 'loud'], 'Allowed choices are quiet, info, debug.'],
    ['a missing value', ['build', '--target'], "option '-t, --target <folder>' argument missing"],
    ['a superfluous argument', ['status', 'x'], "too many arguments for 'status'"],
    ['a console for a program', ['boot', '--keep', '--json'], "'--keep' cannot be used with option '--json'"],
    ['--setup without the launcher', ['--setup', 'doctor'], './hypriotkit --setup'],
    ['--setup behind the command', ['doctor', '--setup'], './hypriotkit --setup'],
  ])('%s', async (_what, argv, message) => {
    const {stdout, stderr, exitCode} = await runWith({}, argv);
    expect(stderr).toContain(message);
    expect([stdout, exitCode]).toEqual(['', 2]);
  });

  it('no command: shows the help', async () => {
    const {stdout, stderr, exitCode} = await runWith({}, []);
    expect(stderr).toContain('Usage: hypriotkit');
    expect([stdout, exitCode]).toEqual(['', 2]);
  });

  it('in a real process too', async () => {
    const {stdout, stderr, exitCode} = await spawnCli('biuld');
    expect(stderr).toBe(
      "error: unknown command 'biuld'\n(Did you mean build?)\n(--help shows what there is)\n",
    );
    expect([stdout, exitCode]).toEqual(['', 2]);
  });
});
