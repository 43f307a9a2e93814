import {readFile, rm, writeFile} from 'node:fs/promises';
import {describe, expect, it} from 'vitest';
import type {Step} from '../../../../api/components/step.ts';
import {Executor} from '../../../../api/pipeline/executor.ts';
import {nodesOf} from '../../../../api/pipeline/step-node.ts';
import type {Answer} from '../docker/fake-engine.ts';
import {RunRig} from './run-rig.ts';
import {makeStep} from './step-rig.ts';

const packages = makeStep({name: 'root_fs.packages', outputs: [{name: 'p', delivered: false}]});
const rootFs = makeStep({
  name: 'root_fs',
  inputs: ['root_fs.packages'],
  outputs: [{name: 'r', delivered: true}],
});
const image = makeStep({name: 'image', inputs: ['root_fs', 'blank']});
const blank = makeStep({name: 'blank', component: 'blank_image'});
const steps = [packages, rootFs, blank, image];

/** Builds everything that is given a content, in the order of the graph. */
async function buildAll(rig: RunRig, without: readonly Step[] = []): Promise<void> {
  const is = (step: Step) => !without.includes(step);
  const built = await rig.built(packages, {p: '1'});
  const root = await rig.built(rootFs, {r: '2'}, built);
  const disk = await rig.built(blank, {b: '3'});
  const last = await rig.built(image, {i: '4'}, root, disk);
  const all = [
    [packages, built],
    [rootFs, root],
    [blank, disk],
    [image, last],
  ] as const;
  await rig.volume.store.remove(all.filter(([step]) => !is(step)).map(([, entry]) => entry.fingerprint));
}

function execute(rig: RunRig, mustVerify: (step: string) => boolean = () => false) {
  return new Executor(nodesOf(steps), 2, {
    context: rig.context,
    mustVerify,
    reasons: (step) => [`${step} has its reason`],
  }).execute();
}

const outcomesOf = (outcomes: Awaited<ReturnType<typeof execute>>) =>
  Object.fromEntries(
    [...outcomes].map(([name, outcome]) => [name, outcome.ok ? outcome.outcome : outcome.failure.reason]),
  );

/** An engine that is out of order. */
const broken: Answer = (_request, response) =>
  void response.writeHead(500, {'Content-Type': 'application/json'}).end('{"message": "boom"}');

describe('Executor', () => {
  it('takes everything from the store and asks the engine for nothing', async () => {
    const rig = await RunRig.create();
    await buildAll(rig);
    const outcomes = await execute(rig);
    expect(outcomesOf(outcomes)).toEqual({
      'root_fs.packages': 'hit',
      root_fs: 'hit',
      blank: 'hit',
      image: 'hit',
    });
    expect([...outcomes.keys()]).toEqual(steps.map((step) => step.name));
  });

  it('says of every step that it started, why, and how it ended, with its artifacts', async () => {
    const rig = await RunRig.create();
    await buildAll(rig);
    await execute(rig);
    const about = rig.events.filter((event) => 'step' in event && event.step === 'root_fs');
    expect(about).toEqual([
      {type: 'step-started', step: 'root_fs', description: 'a step', reasons: ['root_fs has its reason']},
      {
        type: 'step-finished',
        step: 'root_fs',
        outcome: 'hit',
        durationMs: expect.any(Number) as number,
        artifacts: [{step: 'root_fs', name: 'r', sizeBytes: 1, sha256: expect.any(String) as string}],
      },
    ]);
    const started = rig.events.filter((event) => event.type === 'step-started').map((event) => event.step);
    expect(started.indexOf('root_fs.packages')).toBeLessThan(started.indexOf('root_fs'));
    expect(started.at(-1)).toBe('image');
  });

  it('cancels what depends on a failure, and nothing else', async () => {
    const rig = await RunRig.create({'*': broken});
    await buildAll(rig, [packages]);
    const outcomes = await execute(rig);
    expect(outcomesOf(outcomes)).toEqual({
      'root_fs.packages': 'engine-failed',
      root_fs: 'cancelled',
      blank: 'hit',
      image: 'cancelled',
    });
    const root = outcomes.get('root_fs');
    expect(root?.ok === false && root.failure).toMatchObject({
      becauseOf: 'root_fs.packages',
      message: 'not started, because root_fs.packages did not succeed',
    });
    const started = rig.events.filter((event) => event.type === 'step-started').map((event) => event.step);
    expect(new Set(started)).toEqual(new Set(['root_fs.packages', 'blank']));
    expect(rig.events.filter((event) => event.type === 'step-failed')).toHaveLength(3);
  });

  it('reads what will be used, removes what is damaged, says so and makes it again', async () => {
    const rig = await RunRig.create({'*': broken});
    await buildAll(rig);
    const entry = [...(await rig.volume.store.entries()).values()].find(({step}) => step === 'blank');
    await writeFile(rig.volume.path('entries', entry?.fingerprint ?? '', 'b'), 'X');
    expect(outcomesOf(await execute(rig))).toMatchObject({blank: 'hit'});
    // Making it again is what this engine cannot do.
    expect(outcomesOf(await execute(rig, () => true))).toMatchObject({
      'root_fs.packages': 'hit',
      blank: 'engine-failed',
      image: 'cancelled',
    });
    expect(rig.events.find((event) => event.type === 'notice')).toMatchObject({
      level: 'warning',
      message: 'blank: b in the volume is damaged; it is built again',
    });
    expect(await rig.volume.other().find(entry?.fingerprint ?? '')).toBeUndefined();
  });

  it('uses an input that was made anew with the same content as if nothing had happened', async () => {
    const rig = await RunRig.create();
    await buildAll(rig);
    const entry = [...(await rig.volume.store.entries()).values()].find(
      ({step}) => step === 'root_fs.packages',
    );
    await rm(rig.volume.path('entries', entry?.fingerprint ?? ''), {recursive: true});
    await rig.built(packages, {p: '1'});
    expect(outcomesOf(await execute(rig, () => true))).toMatchObject({root_fs: 'hit', image: 'hit'});
  });

  it('puts a list from the lock into the store and asks the engine for nothing', async () => {
    const rig = await RunRig.create();
    const resolve = makeStep({name: 'root_fs.resolve', resolves: true});
    const outcomes = await new Executor(nodesOf([resolve]), 1, {
      context: {...rig.context, lists: new Map([[resolve.name, 'a list\n']])},
      mustVerify: () => true,
      reasons: () => [],
    }).execute();
    expect(outcomesOf(outcomes)).toEqual({'root_fs.resolve': 'hit'});
    const [entry, ...others] = (await rig.volume.other().entries()).values();
    expect(others).toEqual([]);
    expect(entry).toMatchObject({step: resolve.name, files: [{name: 'list.tsv', sizeBytes: 7}]});
    const path = rig.volume.path('entries', entry?.fingerprint ?? '', 'list.tsv');
    expect(await readFile(path, 'utf8')).toBe('a list\n');
  });

  it('starts nothing when the user has stopped', async () => {
    const rig = await RunRig.create({}, AbortSignal.abort());
    await buildAll(rig);
    expect(outcomesOf(await execute(rig))).toEqual({
      'root_fs.packages': 'interrupted',
      root_fs: 'cancelled',
      blank: 'interrupted',
      image: 'cancelled',
    });
  });

  it('lets an error of our own through', async () => {
    const rig = await RunRig.create();
    const missing = makeStep({name: 'x', inputs: ['not part of it']});
    const executor = new Executor(nodesOf([missing]), 1, {
      context: rig.context,
      mustVerify: () => false,
      reasons: () => [],
    });
    await expect(executor.execute()).rejects.toThrow('the step not part of it is not part of this run');
  });
});
