import {Chalk} from 'chalk';
import fc from 'fast-check';
import {describe, expect, it} from 'vitest';
import type {Verbosity} from '../../../../api/events/event.ts';
import {PlainReporter} from '../../../../cli/reporters/plain-reporter.ts';
import {symbolsFor} from '../../../../cli/symbols.ts';
import {anyEvent, sampleRun} from '../events.ts';
import {Collected} from '../terminal.ts';

const report = (verbosity: Verbosity, events = sampleRun): string => {
  const output = new Collected();
  let now = 5_000;
  const colors = new Chalk({level: 0});
  const reporter = new PlainReporter({output, verbosity, colors, symbols: symbolsFor({}), now: () => now});
  for (const event of events) {
    now += 500;
    reporter.on(event);
  }
  reporter[Symbol.dispose]();
  return output.text;
};

describe('PlainReporter', () => {
  it('prints one line for each thing that happens, and a summary', () => {
    expect(report('info')).toMatchInlineSnapshot(`
      "[   0.5s] volume hypriot-artifacts, engine unix:///var/run/docker.sock, steps: base_image, root_fs, blank_image, rpi_bootloader, rpi_kernel, rpi_sd_image
      [   1.0s] base_image: taken from the store
      [   1.5s] warning: no registry answers
      [   1.5s]   mmdebstrap is used
      [   2.0s] root_fs: making an arm64 root file system
      [   2.0s] root_fs: because new
      [   2.5s] rpi_kernel: fetching the kernel
      [   3.0s] root_fs: building its image
      [   4.5s] root_fs: done in 54.1s (1 file, 180 MiB)
      [   5.0s] rpi_kernel: failed: exit status 100
      [   6.5s] delivered /out/root_fs-1.0.tar.gz (180 MiB)

      ✔ base_image        stored
      ✔ root_fs            54.1s  180 MiB
      – blank_image            –  not run
      – rpi_bootloader         –  not run
      ✖ rpi_kernel          2.0s  exit status 100
      – rpi_sd_image           –  needs rpi_kernel
        total             1m 01s  failed
      "
    `);
  });

  it('prints only failures when quiet', () => {
    expect(report('quiet')).toBe('[   5.0s] rpi_kernel: failed: exit status 100\n');
  });

  it('prints the output of the containers, without its colours, with debug', () => {
    expect(report('debug')).toContain('] root_fs | Setting up systemd\n');
    expect(report('debug')).toContain('] rpi_kernel | E: Unable to fetch some archives\n');
  });

  it('prints whole lines, whatever the events are', () => {
    fc.assert(
      fc.property(fc.array(anyEvent), (events) => {
        for (const verbosity of ['quiet', 'info', 'debug'] as const) {
          expect(report(verbosity, events)).toMatch(/^(\[ *\d+\.\ds\] [^\n]*\n)*$/);
        }
      }),
    );
  });
});
