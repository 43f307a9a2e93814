import fc from 'fast-check';
import type {Artifact, DeliveredArtifact, PipelineEvent} from '../../../api/events/event.ts';
import type {StepFailure} from '../../../api/events/step-failure.ts';

/** The steps of the sample run. */
export const steps = ['base_image', 'root_fs', 'blank_image', 'rpi_bootloader', 'rpi_kernel', 'rpi_sd_image'];

export const artifact = (step: string, sizeBytes = 188_743_680): Artifact => ({
  step,
  name: `${step}-1.0.tar.gz`,
  sizeBytes,
  sha256: '0'.repeat(64),
});

export const delivered = (step: string, unchanged = false): DeliveredArtifact => ({
  ...artifact(step),
  path: `/out/${step}-1.0.tar.gz`,
  unchanged,
});

export const exitedNonZero = (step: string): StepFailure => ({
  reason: 'exited-non-zero',
  step,
  message: 'the container ended with exit status 100',
  hint: 'Is the mirror reachable?',
  status: 100,
  tail: ['E: Unable to fetch some archives'],
});

/** A run with each kind of event: something stored, something built, a failure and what it took with it. */
export const sampleRun: readonly PipelineEvent[] = [
  {type: 'run-started', volume: 'hypriot-artifacts', engine: 'unix:///var/run/docker.sock', steps, jobs: 2},
  {type: 'step-finished', step: 'base_image', outcome: 'hit', durationMs: 3, artifacts: []},
  {type: 'notice', level: 'warning', message: 'no registry answers', hint: 'mmdebstrap is used'},
  {type: 'step-started', step: 'root_fs', description: 'making an arm64 root file system', reasons: ['new']},
  {type: 'step-started', step: 'rpi_kernel', description: 'fetching the kernel', reasons: []},
  {type: 'step-progress', step: 'root_fs', message: 'building its image'},
  {type: 'step-output', step: 'root_fs', stream: 'stdout', line: '\u001B[32mSetting up\u001B[0m systemd'},
  {type: 'step-output', step: 'rpi_kernel', stream: 'stderr', line: 'E: Unable to fetch some archives'},
  {
    type: 'step-finished',
    step: 'root_fs',
    outcome: 'built',
    durationMs: 54_100,
    artifacts: [artifact('root_fs')],
  },
  {type: 'step-failed', step: 'rpi_kernel', durationMs: 2_000, failure: exitedNonZero('rpi_kernel')},
  {
    type: 'step-failed',
    step: 'rpi_sd_image',
    durationMs: 0,
    failure: {
      reason: 'cancelled',
      step: 'rpi_sd_image',
      message: 'needs rpi_kernel',
      becauseOf: 'rpi_kernel',
    },
  },
  {type: 'delivery-progress', name: 'root_fs-1.0.tar.gz', doneBytes: 94_371_840, totalBytes: 188_743_680},
  {type: 'artifact-delivered', artifact: delivered('root_fs')},
  {type: 'run-finished', outcome: 'failed', durationMs: 61_000},
];

const step = fc.oneof(fc.constantFrom(...steps), fc.string({unit: 'grapheme', maxLength: 40}));
const line = fc.string({unit: 'grapheme', maxLength: 300});
const durationMs = fc.nat({max: 1e8});

/** Any event with any content, in no sensible order. */
export const anyEvent: fc.Arbitrary<PipelineEvent> = fc.oneof(
  fc.record({
    type: fc.constant('run-started' as const),
    volume: line,
    engine: line,
    steps: fc.array(step, {maxLength: 60}),
    jobs: fc.nat(),
  }),
  fc.record({
    type: fc.constant('step-started' as const),
    step,
    description: line,
    reasons: fc.array(line, {maxLength: 3}),
  }),
  fc.record({type: fc.constant('step-progress' as const), step, message: line}),
  fc.record({
    type: fc.constant('step-output' as const),
    step,
    stream: fc.constantFrom('stdout' as const, 'stderr' as const),
    line: fc.oneof(line, fc.constant('\u001B[31mred\u001B[0m\r 日本語'.repeat(40))),
  }),
  fc.record({
    type: fc.constant('step-finished' as const),
    step,
    outcome: fc.constantFrom('built' as const, 'hit' as const),
    durationMs,
    artifacts: fc.constantFrom([], [artifact('root_fs')]),
  }),
  fc.record({
    type: fc.constant('step-failed' as const),
    step,
    durationMs,
    failure: fc.constantFrom<StepFailure[]>(exitedNonZero('root_fs'), {
      reason: 'cancelled',
      step: 'rpi_sd_image',
      message: 'x',
      becauseOf: 'root_fs',
    }),
  }),
  fc.record({
    type: fc.constant('notice' as const),
    level: fc.constantFrom('info' as const, 'warning' as const),
    message: line,
  }),
  fc.record({
    type: fc.constant('delivery-progress' as const),
    name: line,
    doneBytes: fc.nat(),
    totalBytes: fc.nat(),
  }),
  fc.constant({type: 'artifact-delivered' as const, artifact: delivered('root_fs')}),
);
