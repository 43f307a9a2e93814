import {afterAll, afterEach, beforeAll, beforeEach, describe, expect, it} from 'vitest';
import {withDigest} from '../../api/components/step.ts';
import type {StepFailure} from '../../api/events/step-failure.ts';
import {engine, inVolume, removeTestThings, runningStep, testBaseImage, testLabels} from './engine.ts';
import {entryOf, failureOf, gate, mebibyte, Rig, shellStep, summaryOf} from './rig.ts';

let rig: Rig;
beforeAll(testBaseImage);
beforeEach(() => {
  rig = new Rig();
});
afterEach(async () => {
  // Whatever went wrong, nothing may stay.
  const left = await rig.leftovers();
  await rig[Symbol.asyncDispose]();
  expect(left).toEqual([]);
});
afterAll(removeTestThings);

describe('a step fails', () => {
  it('when its build image cannot be built, with what the build printed', async () => {
    const failure = await rig.fail([shellStep('a', 'echo', {buildImage: 'hypriotkit_test_broken'})], 'a');

    expect(failure).toMatchObject({reason: 'image-build-failed', step: 'a'});
    expect(failure.message).toContain('returned a non-zero code: 7');
    expect((failure as Extract<StepFailure, {tail: unknown}>).tail).toContain('the tool is not to be had');
  });

  it('when its container exits with another status than 0, with the last lines', async () => {
    const failure = await rig.fail([shellStep('a', 'seq 100; echo last; exit 3')], 'a');

    expect(failure).toMatchObject({
      reason: 'exited-non-zero',
      status: 3,
      message: 'the container ended with exit status 3',
    });
    const {tail} = failure as Extract<StepFailure, {tail: unknown}>;
    expect(tail).toHaveLength(40);
    expect(tail).toEqual([...Array.from({length: 39}, (_, i) => String(i + 62)), 'last']);
  });

  it('with the code, the reason and the hint that its script gives', async () => {
    // The build image is made now, and what that prints is not the container's.
    await removeTestThings();
    const failure = await rig.fail(
      [
        shellStep(
          'a',
          `. /usr/lib/hypriotkit/common.sh
           echo working
           die MIRROR_UNREACHABLE 'the mirror is down' 'Try another one.'`,
        ),
      ],
      'a',
    );

    expect(failure).toEqual({
      reason: 'exited-non-zero',
      step: 'a',
      status: 1,
      code: 'MIRROR_UNREACHABLE',
      message: 'the mirror is down',
      hint: 'Try another one.',
      tail: ['working'],
    });
  });

  it('with the reason that its script gives, whatever is printed after it', async () => {
    const failure = await rig.fail(
      [
        shellStep(
          'a',
          'echo "::error BAD_VALUE no such thing" >&2; echo "::hint Mind it." >&2; seq 1000; exit 1',
        ),
      ],
      'a',
    );
    expect(failure).toMatchObject({code: 'BAD_VALUE', message: 'no such thing', hint: 'Mind it.'});
  });

  it('when it needs more memory than it may have', async () => {
    const failure = await rig.fail(
      [
        shellStep('a', `perl -e 'my $x = "a" x (256 * 2**20); print length $x'; echo >out`, {
          memoryBytes: 32 * mebibyte,
        }),
      ],
      'a',
    );

    expect(failure).toMatchObject({reason: 'out-of-memory', limitBytes: 32 * mebibyte});
    expect(failure.message).toContain('32 MiB');
    expect(failure.hint).toBeDefined();
  });

  it('when it succeeds without its outputs, naming them', async () => {
    const outputs = ['here', 'away', '*.config'].map((name) => ({name, delivered: true}));
    const failure = await rig.fail([shellStep('a', 'touch here 1.config 2.config', {outputs})], 'a');

    expect(failure).toMatchObject({reason: 'output-missing', missing: ['away', 'exactly one *.config']});
    expect(failure.message).toContain('away');
    expect(failure.hint).toContain('1.config, 2.config, here');
  });

  it('does not take a folder or a link for an output', async () => {
    const outputs = ['folder', 'link'].map((name) => ({name, delivered: true}));
    const failure = await rig.fail([shellStep('a', 'mkdir folder; ln -s /etc/shadow link', {outputs})], 'a');
    expect(failure).toMatchObject({reason: 'output-missing', missing: ['folder', 'link']});
  });

  it('when an artifact is not what its .sha256 companion says', async () => {
    const failure = await rig.fail(
      [
        shellStep('a', 'echo before >image; sha256sum image >image.sha256; echo after >image', {
          outputs: withDigest('image'),
        }),
      ],
      'a',
    );
    expect(failure).toMatchObject({reason: 'output-corrupt', file: 'image'});
  });

  it('when an artifact has a companion that speaks of another file', async () => {
    const failure = await rig.fail(
      [
        shellStep('a', 'echo 1 >image; echo 1 >other; sha256sum other >image.sha256', {
          outputs: withDigest('image'),
        }),
      ],
      'a',
    );
    expect(failure).toMatchObject({reason: 'output-corrupt', file: 'image'});
  });

  it('when its command does not exist', async () => {
    const failure = await rig.fail([shellStep('a', '', {command: ['/builder/absent.sh']})], 'a');
    expect(failure.reason).toBe('engine-failed');
    expect(failure.message).toContain('/builder/absent.sh');
  });
});

describe('after a failure', () => {
  it('what depends on it is cancelled and the rest is finished', async () => {
    const steps = [
      shellStep('broken', 'exit 1'),
      shellStep('after', 'cat /inputs/broken/out >out', {inputs: ['broken']}),
      shellStep('after.after', 'cat /inputs/after/out >out', {inputs: ['after']}),
      shellStep('slow', `${gate} echo slow >out`),
      shellStep('after.slow', 'cat /inputs/slow/out >out', {inputs: ['slow']}),
    ];
    const run = rig.start(steps);
    await runningStep(rig.volume, 'slow');
    await rig.release('slow');
    const finished = await run.finished;

    expect(summaryOf(finished)).toEqual({
      broken: 'exited-non-zero',
      after: 'cancelled',
      'after.after': 'cancelled',
      slow: 'built',
      'after.slow': 'built',
    });
    expect(failureOf(finished, 'after')).toMatchObject({becauseOf: 'broken'});
    expect(failureOf(finished, 'after.after')).toMatchObject({becauseOf: 'after'});
    const started = finished.events.filter((event) => event.type === 'step-started').map(({step}) => step);
    expect(started).not.toContain('after');
  });

  it('the same step can succeed the next time', async () => {
    const flaky = shellStep('a', `${gate} [ ! -e /workspace/.break ]; echo 1 >out`);
    const {id} = await startFlaky(rig, flaky);
    const docker = await engine();
    await docker.getContainer(id).kill();
    // Released into the same name: the failed attempt must have given it free.
    const again = await retry(rig, flaky);
    expect(again).toEqual({a: 'built'});
  });
});

async function startFlaky(rig: Rig, step: ReturnType<typeof shellStep>): Promise<{id: string}> {
  const run = rig.start([step]);
  const found = await runningStep(rig.volume, step.name);
  void run.finished;
  return found;
}

async function retry(rig: Rig, step: ReturnType<typeof shellStep>): Promise<Record<string, string>> {
  const run = rig.start([step]);
  await runningStep(rig.volume, step.name);
  await rig.release(step.name);
  return summaryOf(await run.finished);
}

describe('when the volume is full', () => {
  /** 20 MB in memory; kept mounted, because its content is gone with its last mount. */
  async function smallVolume(): Promise<{keeper: string}> {
    rig = await Rig.withVolume({type: 'tmpfs', device: 'tmpfs', o: 'size=20m'});
    const docker = await engine();
    const container = await docker.createContainer({
      Image: (await testBaseImage()).reference,
      Entrypoint: ['sleep', '600'],
      Cmd: [],
      Labels: testLabels,
      HostConfig: {NetworkMode: 'none', Mounts: [{Type: 'volume', Source: rig.volume, Target: '/volume'}]},
    });
    await container.start();
    return {keeper: container.id};
  }

  async function removeKeeper(keeper: string): Promise<void> {
    const docker = await engine();
    await docker.getContainer(keeper).remove({force: true});
  }

  it('says so, keeps what was finished, and works once there is room', async () => {
    const {keeper} = await smallVolume();
    await inVolume(rig.volume, 'head -c 14m /dev/zero >filler');
    const steps = [
      shellStep('small', 'echo 1 >out'),
      shellStep('large', 'head -c 10m /dev/zero >out', {inputs: ['small']}),
    ];

    const full = await rig.run(steps);
    expect(summaryOf(full)).toEqual({small: 'built', large: 'storage-full'});
    expect(failureOf(full, 'large').hint).toContain('hypriotkit clean');
    expect(await rig.leftovers()).toEqual([]);

    await inVolume(rig.volume, 'rm filler');
    const roomy = await rig.run(steps);
    expect(summaryOf(roomy)).toEqual({small: 'hit', large: 'built'});
    expect(entryOf(roomy, 'large').files).toMatchObject([{name: 'out', sizeBytes: 10 * mebibyte}]);
    await removeKeeper(keeper);
  });

  it('while a finished step is published, too', async () => {
    const {keeper} = await smallVolume();
    // The step itself succeeds; nothing is left for its index file.
    const greedy = shellStep('a', 'head -c 100m /dev/zero >out 2>/dev/null || true');

    const full = await rig.run([greedy]);
    expect(summaryOf(full)).toEqual({a: 'storage-full'});
    expect(await rig.leftovers()).toEqual([]);
    expect(summaryOf(await rig.run([shellStep('b', 'echo 1 >out')]))).toEqual({b: 'built'});
    await removeKeeper(keeper);
  });
});
