import {Chalk} from 'chalk';
import fc from 'fast-check';
import {afterEach, beforeEach, describe, expect, it, vi} from 'vitest';
import type {Verbosity} from '../../../../api/events/event.ts';
import {LiveReporter} from '../../../../cli/reporters/live-reporter.ts';
import {symbolsFor} from '../../../../cli/symbols.ts';
import {anyEvent, sampleRun} from '../events.ts';
import {Terminal} from '../terminal.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const start = (terminal: Terminal, verbosity: Verbosity = 'info') =>
  new LiveReporter({
    output: terminal,
    verbosity,
    colors: new Chalk({level: 0}),
    symbols: symbolsFor({}),
    files: true,
    now: () => Date.now(),
  });

describe('LiveReporter', () => {
  it('keeps what has ended above the window', () => {
    const terminal = new Terminal();
    using reporter = start(terminal);
    for (const event of sampleRun.slice(0, 10)) {
      reporter.on(event);
      vi.advanceTimersByTime(100);
    }
    expect(terminal.text.replaceAll(/\d+\.\ds/g, 'N.Ns').replaceAll(/[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏]/g, '⠋'))
      .toMatchInlineSnapshot(`
      "volume hypriot-artifacts · engine unix:///var/run/docker.sock
      ✔ base_image      stored
      ▲ no registry answers
        mmdebstrap is used
      ✔ root_fs          N.Ns  180 MiB
      ✖ rpi_kernel        N.Ns  exit status 100
        3 of 6 done · N.Ns · next: blank_image, rpi_bootloader, rpi_sd_image"
    `);
  });

  it('ends with a summary and leaves no trace of the window', () => {
    const terminal = new Terminal();
    const reporter = start(terminal);
    for (const event of sampleRun) {
      reporter.on(event);
      vi.advanceTimersByTime(100);
    }
    reporter[Symbol.dispose]();
    expect(terminal.text).toMatchInlineSnapshot(`
      "volume hypriot-artifacts · engine unix:///var/run/docker.sock
      ✔ base_image      stored
      ▲ no registry answers
        mmdebstrap is used
      ✔ root_fs          54.1s  180 MiB
      ✖ rpi_kernel        2.0s  exit status 100

      ✔ base_image        stored
      ✔ root_fs            54.1s  180 MiB
      – blank_image            –  not run
      – rpi_bootloader         –  not run
      ✖ rpi_kernel          2.0s  exit status 100
      – rpi_sd_image           –  needs rpi_kernel
        total             1m 01s  failed

         180 MiB  root_fs-1.0.tar.gz"
    `);
  });

  it('shows the output of the containers above the window with debug', () => {
    const terminal = new Terminal();
    using reporter = start(terminal, 'debug');
    for (const event of sampleRun.slice(0, 8)) reporter.on(event);
    vi.advanceTimersByTime(100);
    expect(terminal.text).toContain('root_fs | Setting up systemd\n');
    expect(terminal.text).toContain('rpi_kernel | E: Unable to fetch some archives\n');
  });

  it('draws at most twelve times a second, however many events there are', () => {
    const terminal = new Terminal();
    using reporter = start(terminal, 'debug');
    for (const event of sampleRun.slice(0, 6)) reporter.on(event);
    const before = terminal.writes;
    for (let index = 0; index < 1000; index++) {
      reporter.on({type: 'step-output', step: 'root_fs', stream: 'stdout', line: `line ${index}`});
      vi.advanceTimersByTime(1);
    }
    expect(terminal.writes - before).toBeLessThanOrEqual(12);
    expect(terminal.text).toContain('root_fs | line 0\n');
  });

  it('hides the cursor and gives it back', () => {
    const terminal = new Terminal();
    const reporter = start(terminal);
    expect(terminal.cursorVisible).toBe(false);
    reporter[Symbol.dispose]();
    expect(terminal.cursorVisible).toBe(true);
  });

  it('leaves no timer and no exit listener behind, and ignores what comes later', () => {
    const listeners = process.listenerCount('exit');
    const terminal = new Terminal();
    const reporter = start(terminal);
    reporter[Symbol.dispose]();
    reporter[Symbol.dispose]();
    const {text} = terminal;
    for (const event of sampleRun) reporter.on(event);
    vi.advanceTimersByTime(1000);
    expect(terminal.text).toBe(text);
    expect(process.listenerCount('exit')).toBe(listeners);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('says at once that it is stopping', () => {
    const terminal = new Terminal();
    using reporter = start(terminal);
    for (const event of sampleRun.slice(0, 6)) reporter.on(event);
    reporter.stopping();
    vi.advanceTimersByTime(100);
    expect(terminal.text).toContain('stopping, once more to kill');
  });

  it('prints each lasting line exactly once and no line of the window twice, whatever the events are', () => {
    fc.assert(
      fc.property(fc.array(anyEvent, {maxLength: 30}), fc.integer({min: 1, max: 250}), (events, pauseMs) => {
        const terminal = new Terminal(4000, 200);
        const reporter = start(terminal);
        for (const [index, event] of events.entries()) {
          reporter.on(event);
          reporter.on({type: 'notice', level: 'info', message: `lasting ${index}.`});
          vi.advanceTimersByTime(pauseMs);
        }
        expect(terminal.text.match(/ of \d+ done/g)?.length ?? 0).toBeLessThanOrEqual(1);
        reporter[Symbol.dispose]();
        for (const index of events.keys()) expect(terminal.text.split(`lasting ${index}.`)).toHaveLength(2);
        expect(terminal.text).not.toMatch(/ of \d+ done/);
      }),
      {numRuns: 50},
    );
  });
});
