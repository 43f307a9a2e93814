import {Chalk} from 'chalk';
import {describe, expect, it} from 'vitest';
import {FlashReporter} from '../../../../cli/reporters/flash-reporter.ts';
import {symbolsFor} from '../../../../cli/symbols.ts';
import {Collected, Terminal} from '../terminal.ts';

const MiB = 1024 ** 2;
const common = {colors: new Chalk({level: 0}), symbols: symbolsFor({})};

describe('the progress of flash', () => {
  it('is one line on a terminal, with rate and time left, and one that stays', () => {
    let now = 0;
    const output = new Terminal(80);
    using reporter = new FlashReporter({...common, output, isLive: true, now: () => now});
    reporter.on({type: 'flash-phase-started', phase: 'write', subject: '/dev/sdb'});
    now = 2000;
    reporter.on({type: 'flash-progress', phase: 'write', doneBytes: 100 * MiB, totalBytes: 400 * MiB});
    expect(output.text).toBe(
      'writing /dev/sdb  [##.......]   25 %  100 MiB of 400 MiB  50.0 MiB/s  6.0s left',
    );
    output.columns = 120;
    now = 4000;
    reporter.on({type: 'flash-progress', phase: 'write', doneBytes: 200 * MiB, totalBytes: 400 * MiB});
    expect(output.text).toContain('[##########..........]   50 %  200 MiB of 400 MiB  50.0 MiB/s  4.0s left');
    reporter.on({type: 'flash-phase-finished', phase: 'write', doneBytes: 400 * MiB, durationMs: 8000});
    expect(output.text).toBe('✔ wrote 400 MiB in 8.0s (50.0 MiB/s)');
  });

  it('is a few lines elsewhere', () => {
    const output = new Collected();
    using reporter = new FlashReporter({...common, output, isLive: false, now: () => 0});
    reporter.on({type: 'flash-phase-started', phase: 'unpack', subject: 'a.img.gz'});
    reporter.on({type: 'flash-progress', phase: 'unpack', doneBytes: 5});
    for (const doneBytes of [1, 9, 10, 11, 60, 100])
      reporter.on({type: 'flash-progress', phase: 'verify', doneBytes, totalBytes: 100});
    reporter.on({type: 'notice', level: 'warning', message: 'look'});
    expect(output.text.split('\n').map((line) => line.slice(0, 20))).toEqual([
      'unpacking a.img.gz',
      'verifying a.img.gz  ',
      'verifying a.img.gz  ',
      '▲ look',
      '',
    ]);
  });
});
