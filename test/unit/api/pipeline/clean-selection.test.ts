import fc from 'fast-check';
import {describe, expect, it} from 'vitest';
import {selectEntries, withSize} from '../../../../api/pipeline/clean-selection.ts';
import {makeEntry} from './step-rig.ts';

const now = Date.parse('2026-11-20T12:00:00.000Z');
const day = 86_400_000;

const entry = (step: string, days: number, sizeBytes = 100) =>
  withSize(
    makeEntry({
      step,
      createdAt: new Date(now - days * day).toISOString(),
      fingerprint: Buffer.from(`${step} ${days}`.padEnd(32)).toString('hex'),
      files: [{name: 'a', sizeBytes, sha256: '0'.repeat(64)}],
    }),
  );

const entries = [
  entry('root_fs', 9),
  entry('root_fs', 0, 50),
  entry('rpi_sd_image.docker', 3),
  entry('rpi_sd_image', 1, 1000),
];
const selected = (criteria: Parameters<typeof selectEntries>[1]) =>
  selectEntries(entries, criteria, now).map(
    ({step, createdAt}) => `${step} ${(now - Date.parse(createdAt)) / day}`,
  );

describe('what clean selects', () => {
  it('is everything without a criterion, newest first', () => {
    expect(selected({})).toEqual(['root_fs 0', 'rpi_sd_image 1', 'rpi_sd_image.docker 3', 'root_fs 9']);
  });

  it('is what belongs to a component, with all of its steps', () => {
    expect(selected({components: new Set(['rpi_sd_image'])})).toEqual([
      'rpi_sd_image 1',
      'rpi_sd_image.docker 3',
    ]);
  });

  it('is what is at least so old', () => {
    expect(selected({olderThanMs: 3 * day})).toEqual(['rpi_sd_image.docker 3', 'root_fs 9']);
    expect(selected({olderThanMs: 3 * day + 1})).toEqual(['root_fs 9']);
  });

  it('is what does not fit, and everything that is older than that', () => {
    expect(selected({keepBytes: 1050})).toEqual(['rpi_sd_image.docker 3', 'root_fs 9']);
    expect(selected({keepBytes: 200})).toEqual(['rpi_sd_image 1', 'rpi_sd_image.docker 3', 'root_fs 9']);
    expect(selected({keepBytes: 0})).toHaveLength(4);
    expect(selected({keepBytes: 1250})).toEqual([]);
  });

  it('is what the configuration would not use', () => {
    expect(selected({isReachable: ({step}) => step === 'root_fs'})).toEqual([
      'rpi_sd_image 1',
      'rpi_sd_image.docker 3',
    ]);
  });

  it('is what all of several criteria say', () => {
    expect(selected({components: new Set(['root_fs']), olderThanMs: day})).toEqual(['root_fs 9']);
    expect(selected({keepBytes: 1050, olderThanMs: 5 * day})).toEqual(['root_fs 9']);
  });

  it('leaves no more than was to be kept, and always the newest', () => {
    const any = fc.array(fc.record({days: fc.nat(1000), bytes: fc.nat(1000)}), {maxLength: 20});
    fc.assert(
      fc.property(any, fc.nat(5000), (specs, keepBytes) => {
        const all = specs.map(({days, bytes}, index) => entry(`s${index}`, days, bytes));
        const gone = new Set(selectEntries(all, {keepBytes}, now));
        const kept = all.filter((one) => !gone.has(one));
        expect(kept.reduce((sum, one) => sum + one.sizeBytes, 0)).toBeLessThanOrEqual(keepBytes);
        for (const one of gone) {
          expect(kept.every(({createdAt}) => createdAt >= one.createdAt)).toBe(true);
        }
      }),
    );
  });
});
