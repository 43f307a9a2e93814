import fc from 'fast-check';
import {describe, expect, it} from 'vitest';
import type {PipelineEvent, Verbosity} from '../../../../api/events/event.ts';
import {JsonReporter} from '../../../../cli/reporters/json-reporter.ts';
import {anyEvent, sampleRun} from '../events.ts';
import {Collected} from '../terminal.ts';

const report = (verbosity: Verbosity, events: readonly PipelineEvent[]): unknown[] => {
  const output = new Collected();
  const reporter = new JsonReporter(output, verbosity);
  for (const event of events) reporter.on(event);
  const lines = output.text.split('\n');
  expect(lines.pop()).toBe('');
  return lines.map((line): unknown => JSON.parse(line));
};

describe('JsonReporter', () => {
  it('prints every event as one line that reads back as the event', () => {
    expect(report('debug', sampleRun)).toEqual(sampleRun);
    fc.assert(
      fc.property(fc.array(anyEvent), (events) => {
        expect(report('debug', events)).toEqual(JSON.parse(JSON.stringify(events)));
      }),
    );
  });

  it('leaves out the output of the containers unless it is wanted', () => {
    expect(report('info', sampleRun)).toEqual(sampleRun.filter(({type}) => type !== 'step-output'));
  });

  it('prints only failures when quiet', () => {
    expect(report('quiet', sampleRun)).toEqual(sampleRun.filter(({type}) => type === 'step-failed'));
  });
});
