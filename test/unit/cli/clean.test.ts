import {describe, expect, it, vi} from 'vitest';
import type {CleanOptions, CleanResult, VolumeStatus} from '../../../api/options.ts';
import {artifact} from './events.ts';
import {runWith} from './run-command.ts';

const status = () => Promise.reject<VolumeStatus>(new Error('nobody asked for it'));
const cleaned: CleanResult = {
  volume: 'hypriot-artifacts',
  removed: ['root_fs of 2026-11-20T17:10:00.000Z'],
  freedBytes: 188_743_680,
  entries: [
    {
      step: 'root_fs',
      fingerprint: 'f'.repeat(64),
      createdAt: '2026-11-20T17:10:00.000Z',
      sizeBytes: 188_743_680,
      artifacts: [artifact('root_fs')],
    },
  ],
};

describe('clean by criteria', () => {
  it('shows what goes, with sizes and ages, before it goes', async () => {
    const clean = vi.fn((_options?: CleanOptions) => Promise.resolve(cleaned));
    const argv = 'clean root_fs --unreachable --older-than 7d --keep 10GiB -t out -v store --yes'.split(' ');
    const {stdout, stderr, exitCode} = await runWith({status, clean}, argv);
    expect(stderr).toBe(
      'to be removed from the volume hypriot-artifacts: 180 MiB\n' +
        '  root_fs  180 MiB  2026-11-20 17:10 UTC\n' +
        '180 MiB freed\n',
    );
    expect([stdout, exitCode]).toEqual(['removed root_fs of 2026-11-20T17:10:00.000Z\n', 0]);
    const [preview, real] = clean.mock.calls.map(([options]) => options);
    expect(preview).toMatchObject({dryRun: true});
    expect(real).toMatchObject({
      components: ['root_fs'],
      unreachable: true,
      olderThanMs: 604_800_000,
      keepBytes: 10 * 1024 ** 3,
      target: 'out',
      volume: 'store',
    });
    expect(real).not.toHaveProperty('dryRun');
  });

  it('removes nothing when it cannot ask', async () => {
    const clean = vi.fn((_options?: CleanOptions) => Promise.resolve(cleaned));
    const {exitCode} = await runWith({status, clean}, ['clean', '--unreachable']);
    expect(clean.mock.calls.map(([options]) => options?.dryRun)).toEqual([true]);
    expect(exitCode).toBe(2);
  });

  it('says so when there is nothing', async () => {
    const clean = () => Promise.resolve({...cleaned, removed: [], entries: [], freedBytes: 0});
    const {stderr, exitCode} = await runWith({status, clean}, ['clean', '--keep', '1GiB']);
    expect(stderr).toBe('the volume hypriot-artifacts holds nothing of that kind\n');
    expect(exitCode).toBe(0);
  });

  it.each([
    ['--older-than', '7', 'Expected a duration such as 12h, 7d or 2w, got "7".'],
    ['--older-than', '1h30m', 'Expected a duration such as 12h, 7d or 2w, got "1h30m".'],
    ['--keep', '10G', 'Expected a size such as 512MiB or 10GiB, got "10G".'],
    ['--keep', '-1GiB', 'Expected a size such as 512MiB or 10GiB, got "-1GiB".'],
  ])('%s %s is refused before anything is done', async (option, value, message) => {
    const clean = vi.fn((_options?: CleanOptions) => Promise.resolve(cleaned));
    const {stderr, exitCode} = await runWith({status, clean}, ['clean', option, value, '-y']);
    expect(stderr).toContain(message);
    expect(clean).not.toHaveBeenCalled();
    expect(exitCode).toBe(2);
  });
});
