import {afterAll, afterEach, beforeAll, beforeEach, describe, expect, it} from 'vitest';
import type {Step} from '../../api/components/step.ts';
import {ensureSessionVolume, openPackageSession} from '../../api/engine/open-session.ts';
import {sweepVolume} from '../../api/engine/stale-runs.ts';
import {ArtifactStore} from '../../volumes/artifact-store.ts';
import {ImageCache} from '../../volumes/image-cache.ts';
import {PackageCache} from '../../volumes/package-cache.ts';
import {ChildRun} from './cli.ts';
import {containersOf, removeTestThings, runningStep, testBaseImage, until} from './engine.ts';
import {gate, progressOf, Rig, shellStep, summaryOf, type StartedRun} from './rig.ts';

let rig: Rig;
beforeAll(testBaseImage);
beforeEach(() => {
  rig = new Rig();
});
afterEach(async () => {
  await rig[Symbol.asyncDispose]();
});
afterAll(removeTestThings);

const startChild = (...steps: Step[]) =>
  new ChildRun('test/docker/rig-child.ts', [rig.volume, JSON.stringify(steps)]);

const slow = shellStep('slow', `${gate} echo slow >out`);

describe('two runs on one volume', () => {
  it('make a step that both want only once; the second says for whom it waits', async () => {
    const first = startChild(slow);
    const {id} = await runningStep(rig.volume, 'slow');
    const second = rig.start([slow]);
    const waiting = await until('the second run waits', () =>
      progressOf(second.events, 'slow').find((message) => message.startsWith('waiting for ')),
    );
    expect(waiting).toMatch(/^waiting for \S+@\S+, process \d+, which is making it$/);
    const steps = (await containersOf(rig.volume)).filter(({role}) => role === 'step');
    expect(steps.map((container) => container.id)).toEqual([id]);
    await rig.release('slow');

    expect(summaryOf(await second.finished)).toEqual({slow: 'hit'});
    expect(progressOf(second.events, 'slow')).toEqual([waiting]);
    const {stdout} = await first.exited;
    expect(stdout).toContain('"outcomes":{"slow":"built"}');
    expect(await rig.leftovers()).toEqual([]);
  });

  it('both go on with steps that differ', async () => {
    const other = shellStep('other', `${gate} echo other >out`);
    const first = rig.start([slow]);
    await runningStep(rig.volume, 'slow');
    const second = rig.start([other]);
    await runningStep(rig.volume, 'other');
    // The one that came second ends first, and takes nothing of the first away.
    await rig.release('other');
    expect(summaryOf(await second.finished)).toEqual({other: 'built'});
    await rig.release('slow');
    expect(summaryOf(await first.finished)).toEqual({slow: 'built'});
    expect(summaryOf(await rig.run([slow, other]))).toEqual({slow: 'hit', other: 'hit'});
  });

  it('the second works on what is free while it waits for the rest', async () => {
    const first = rig.start([slow]);
    await runningStep(rig.volume, 'slow');
    const second = rig.start([slow, shellStep('free', 'echo free >out')]);
    await until('the free step ends', () =>
      second.events.find((event) => event.type === 'step-finished' && event.step === 'free'),
    );
    expect(first.events.some((event) => event.type === 'step-finished')).toBe(false);
    await rig.release('slow');
    expect(summaryOf(await first.finished)).toEqual({slow: 'built'});
    expect(summaryOf(await second.finished)).toEqual({slow: 'hit', free: 'built'});
  });

  it('start together and end with the same artifacts', async () => {
    const steps = [
      shellStep('a', 'echo a >out'),
      shellStep('b', 'cat /inputs/a/out >out', {inputs: ['a']}),
      shellStep('c', 'echo c >out'),
    ];
    const runs = await Promise.all([rig.run(steps), rig.run(steps), rig.run(steps)]);

    const outcomes = runs.map(summaryOf);
    for (const step of ['a', 'b', 'c']) {
      expect(outcomes.map((outcome) => outcome[step]).sort()).toEqual(['built', 'hit', 'hit']);
    }
    expect(await rig.leftovers()).toEqual([]);
  });

  it('the second makes the step itself when the first fails at it', async () => {
    const once = shellStep('slow', `${gate} false`);
    const first = rig.start([once]);
    await runningStep(rig.volume, 'slow');
    const second = rig.start([once]);
    await until('the second run waits', () => progressOf(second.events, 'slow').at(0));
    await rig.release('slow');
    expect(summaryOf(await first.finished)).toEqual({slow: 'exited-non-zero'});
    await until('the second run makes it', () =>
      progressOf(second.events, 'slow').find((message) => message === 'running'),
    );
    await rig.release('slow');
    expect(summaryOf(await second.finished)).toEqual({slow: 'exited-non-zero'});
  });

  it('the second makes the step itself when the first is killed', async () => {
    const first = startChild(slow);
    const {id: killed} = await runningStep(rig.volume, 'slow');
    const second = rig.start([slow]);
    await until('the second run waits', () => progressOf(second.events, 'slow').at(0));
    first.kill('SIGKILL');
    await first.exited;
    await until('the container of the killed run is gone', async () =>
      (await containersOf(rig.volume)).every(({id}) => id !== killed) ? true : undefined,
    );
    await rig.release('slow');
    expect(summaryOf(await second.finished)).toEqual({slow: 'built'});
    expect(summaryOf(await rig.run([slow]))).toEqual({slow: 'hit'});
  });

  it('sweep nothing of each other, also when one starts while the other looks around', async () => {
    await using session = await openPackageSession({
      volume: rig.volume,
      packageVolume: `${rig.volume}-packages`,
    });
    await ensureSessionVolume(session);
    session.useBaseImage((await testBaseImage()).reference);
    const store = new ArtifactStore(session);
    let run: StartedRun | undefined;
    // The other run starts, and reaches its step, at the worst moment: between the two looks, whichever comes first.
    const start = async () => {
      if (run !== undefined) return;
      run = rig.start([slow]);
      await runningStep(rig.volume, 'slow');
    };
    const listFolders = store.workFolders.bind(store);
    store.workFolders = async () => {
      const folders = await listFolders();
      await start();
      return folders;
    };
    const listContainers = session.containers.list.bind(session.containers);
    session.containers.list = async (filter) => {
      const containers = await listContainers(filter);
      await start();
      return containers;
    };
    await sweepVolume(
      session,
      store,
      new PackageCache(session.packageHost),
      new ImageCache(session.packageHost),
    );

    expect(await listFolders()).toHaveLength(1);
    await rig.release('slow');
    expect(run && summaryOf(await run.finished)).toEqual({slow: 'built'});
  });

  it('the waiting one stops at once when it is aborted', async () => {
    const abort = new AbortController();
    const first = rig.start([slow]);
    await runningStep(rig.volume, 'slow');
    const second = rig.start([slow], {signal: abort.signal});
    await until('the second run waits', () => progressOf(second.events, 'slow').at(0));
    abort.abort();
    expect(summaryOf(await second.finished)).toEqual({slow: 'interrupted'});
    await rig.release('slow');
    expect(summaryOf(await first.finished)).toEqual({slow: 'built'});
  });
});
