import {describe, expect, it} from 'vitest';
import type {PipelineEvent, Verbosity} from '../../../../api/events/event.ts';
import {filterByVerbosity} from '../../../../api/pipeline/verbosity.ts';

const artifact = {step: 's', name: 'n', sizeBytes: 1, sha256: 'a', path: '/n', unchanged: false};

/** One of each kind. */
const events: readonly PipelineEvent[] = [
  {type: 'run-started', volume: 'v', engine: 'e', steps: [], jobs: 1},
  {type: 'step-started', step: 's', description: 'd', reasons: []},
  {type: 'step-progress', step: 's', message: 'm'},
  {type: 'step-output', step: 's', stream: 'stderr', line: 'l'},
  {type: 'step-finished', step: 's', outcome: 'hit', durationMs: 1, artifacts: []},
  {
    type: 'step-failed',
    step: 's',
    durationMs: 1,
    failure: {reason: 'interrupted', step: 's', message: 'm'},
  },
  {type: 'notice', level: 'info', message: 'm'},
  {type: 'notice', level: 'warning', message: 'm'},
  {type: 'delivery-progress', name: 'n', doneBytes: 1, totalBytes: 2},
  {type: 'artifact-delivered', artifact},
  {type: 'run-finished', outcome: 'done', durationMs: 1},
];

function heard(verbosity: Verbosity): PipelineEvent[] {
  const passed: PipelineEvent[] = [];
  const emit = filterByVerbosity(verbosity, (event) => passed.push(event));
  events.forEach(emit);
  return passed;
}

describe('filterByVerbosity', () => {
  it('lets everything through for debug', () => {
    expect(heard('debug')).toEqual(events);
  });

  it('lets everything through for info but what containers print', () => {
    expect(heard('info')).toEqual(events.filter((event) => event.type !== 'step-output'));
  });

  it('lets failures, warnings and the end through for quiet', () => {
    expect(heard('quiet').map((event) => event.type)).toEqual(['step-failed', 'notice', 'run-finished']);
    expect(heard('quiet')[1]).toMatchObject({level: 'warning'});
  });

  it('needs no listener', () => {
    const emit = filterByVerbosity('debug', undefined);
    expect(() => events.forEach(emit)).not.toThrow();
  });
});
