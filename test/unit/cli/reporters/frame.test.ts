import {Chalk} from 'chalk';
import fc from 'fast-check';
import {describe, expect, it} from 'vitest';
import type {PipelineEvent} from '../../../../api/events/event.ts';
import {renderFrame, type FrameOptions} from '../../../../cli/reporters/frame.ts';
import {RunProgress} from '../../../../cli/reporters/run-progress.ts';
import {symbolsFor} from '../../../../cli/symbols.ts';
import {widthOf} from '../../../../cli/text.ts';
import {anyEvent, sampleRun, steps} from '../events.ts';

const frameOf = (events: readonly PipelineEvent[], options: Partial<FrameOptions> = {}): string[] => {
  const progress = new RunProgress(0);
  for (const event of events) progress.apply(event, 1_000);
  return renderFrame(progress, {
    columns: 80,
    rows: 24,
    nowMs: 13_300,
    tick: 0,
    stopping: false,
    colors: new Chalk({level: 0}),
    symbols: symbolsFor({}),
    ...options,
  });
};

const longOutput: PipelineEvent = {
  type: 'step-output',
  step: 'root_fs',
  stream: 'stdout',
  line: `Setting up libsystemd-shared:arm64 ${'日本語 '.repeat(30)}`,
};

describe('renderFrame', () => {
  it('has a line for each running step with its elapsed time and last line, and one for the run', () => {
    expect(frameOf(sampleRun.slice(0, 7))).toEqual([
      '⠋ root_fs          12.3s  Setting up systemd',
      '⠋ rpi_kernel       12.3s  fetching the kernel',
      '  1 of 6 done · 13.3s · next: blank_image, rpi_bootloader, rpi_sd_image',
    ]);
  });

  it('shows files on their way to the target', () => {
    expect(frameOf(sampleRun.slice(0, 12))).toContain(
      '⠋ copying           50 %  root_fs-1.0.tar.gz, 180 MiB',
    );
  });

  it('says that it is stopping', () => {
    expect(frameOf(sampleRun.slice(0, 7), {stopping: true}).at(-1)).toBe(
      '  stopping, once more to kill · 13.3s',
    );
  });

  it.each([80, 120])('cuts long lines at %d columns', (columns) => {
    const lines = frameOf([...sampleRun.slice(0, 7), longOutput], {columns});
    const widest = Math.max(...lines.map(widthOf));
    expect(widest).toBeLessThanOrEqual(columns);
    expect(widest).toBeGreaterThanOrEqual(columns - 3);
  });

  it('folds steps that do not fit into the rows', () => {
    const events = steps.map((step): PipelineEvent => ({
      type: 'step-started',
      step,
      description: 'busy',
      reasons: [],
    }));
    const lines = frameOf(events, {rows: 7});
    expect(lines).toHaveLength(5);
    expect(lines[3]).toBe('  … 3 more');
  });

  it.each([1, 2, 3, 4])('keeps to a terminal of %d rows', (rows) => {
    expect(frameOf(sampleRun.slice(0, 7), {rows}).length).toBeLessThanOrEqual(Math.max(1, rows - 2));
  });

  it('never is wider or higher than the terminal, whatever the events are', () => {
    fc.assert(
      fc.property(
        fc.array(anyEvent, {maxLength: 40}),
        fc.oneof(fc.constantFrom(80, 120), fc.integer({min: 1, max: 300})),
        fc.integer({min: 1, max: 60}),
        fc.nat(),
        fc.boolean(),
        (events, columns, rows, tick, stopping) => {
          const colors = new Chalk({level: 1});
          const lines = frameOf(events, {columns, rows, tick, stopping, colors});
          expect(lines.length).toBeLessThanOrEqual(Math.max(1, rows - 2));
          for (const line of lines) {
            expect(widthOf(line)).toBeLessThanOrEqual(columns);
            expect(line).not.toContain('\n');
          }
        },
      ),
    );
  });
});
