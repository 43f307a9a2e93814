import {appendFile} from 'node:fs/promises';
import {join} from 'node:path';
import {describe, expect, it} from 'vitest';
import type {Step} from '../../../../api/components/step.ts';
import {planSteps} from '../../../../api/pipeline/plan-steps.ts';
import {print} from '../../volumes/store-rig.ts';
import {RunRig} from './run-rig.ts';
import {makeSetting, makeStep} from './step-rig.ts';

const packages = makeStep({name: 'root_fs.packages'});
const resolve = makeStep({name: 'root_fs.resolve', resolves: true});
const installing = makeStep({...packages, inputs: [resolve.name], packagesOf: resolve.name});
const rootFs = (hostname: string, password = 'hypriot') =>
  makeStep({
    name: 'root_fs',
    inputs: ['root_fs.packages'],
    settings: [makeSetting('HOSTNAME', hostname), makeSetting('PASSWORD', password, true)],
  });

/** Action and reasons by step. */
async function planOf(rig: RunRig, steps: readonly Step[], context: Partial<RunRig['context']> = {}) {
  const planned = await planSteps(steps, rig.volume.store, {...rig.context, ...context});
  return Object.fromEntries(planned.map(({step, action, reasons}) => [step, [action, ...reasons]]));
}

describe('planSteps', () => {
  it('nothing built: everything runs', async () => {
    const rig = await RunRig.create();
    expect(await planOf(rig, [packages, rootFs('black-pearl')])).toEqual({
      'root_fs.packages': ['run', 'it has never been built in this volume'],
      root_fs: ['run', 'needs root_fs.packages, which has to run first'],
    });
  });

  it('no base image: nothing can be known', async () => {
    const rig = await RunRig.create();
    const [planned] = await planSteps([packages], rig.volume.store, undefined);
    expect(planned).toEqual({
      step: 'root_fs.packages',
      component: 'root_fs',
      description: 'a step',
      needs: ['base_image'],
      action: 'run',
      reasons: ['needs base_image, which has to run first'],
    });
  });

  it('nothing changed: nothing runs', async () => {
    const rig = await RunRig.create();
    const built = await rig.built(packages, {p: '1'});
    const root = await rig.built(rootFs('black-pearl'), {r: '1'}, built);
    expect(await planOf(rig, [packages, rootFs('black-pearl')])).toEqual({
      'root_fs.packages': ['hit'],
      root_fs: ['hit'],
    });
    const planned = await planSteps([packages, rootFs('black-pearl')], rig.volume.store, rig.context);
    expect(planned.map(({fingerprint}) => fingerprint)).toEqual([built.fingerprint, root.fingerprint]);
  });

  it('a field changed: its step runs, and the field is named', async () => {
    const rig = await RunRig.create();
    await rig.built(rootFs('black-pearl'), {r: '1'}, await rig.built(packages, {p: '1'}));
    expect(await planOf(rig, [packages, rootFs('reef', 'other')])).toEqual({
      'root_fs.packages': ['hit'],
      root_fs: ['run', 'root_fs.hostname "black-pearl" → "reef"', 'root_fs.password (secret) → (secret)'],
    });
  });

  it('a field changed back: nothing runs', async () => {
    const rig = await RunRig.create();
    const built = await rig.built(packages, {p: '1'});
    await rig.built(rootFs('black-pearl'), {r: '1'}, built);
    await rig.built(rootFs('reef'), {r: '2'}, built);
    expect((await planOf(rig, [packages, rootFs('black-pearl')]))['root_fs']).toEqual(['hit']);
  });

  it('compares with what was built last', async () => {
    const rig = await RunRig.create();
    const built = await rig.built(packages, {p: '1'});
    await rig.built(rootFs('first'), {r: '1'}, built);
    await new Promise((resolve) => setTimeout(resolve, 5));
    await rig.built(rootFs('second'), {r: '2'}, built);
    expect((await planOf(rig, [packages, rootFs('third')]))['root_fs']).toEqual([
      'run',
      'root_fs.hostname "second" → "third"',
    ]);
  });

  it('another base image, date, or script: each step that runs says so', async () => {
    const rig = await RunRig.create();
    await rig.built(packages, {p: '1'});
    const {baseImage} = rig.context;
    expect(await planOf(rig, [packages], {baseImage: {...baseImage, identity: 'other'}})).toEqual({
      'root_fs.packages': ['run', `base image ${baseImage.identity.slice(0, 12)} → other`],
    });
    expect(await planOf(rig, [packages], {epoch: 1_700_000_001})).toEqual({
      'root_fs.packages': ['run', 'SOURCE_DATE_EPOCH 1700000000 → 1700000001'],
    });
    // Another name for the same base image is none.
    expect(await planOf(rig, [packages], {baseImage: {...baseImage, reference: 'other:1'}})).toEqual({
      'root_fs.packages': ['hit'],
    });
    // Contexts are read once in a process, so another folder stands for a changed one.
    const other = await RunRig.create();
    await appendFile(join(other.context.buildImages, 'root_fs', 'Dockerfile'), 'RUN true\n');
    expect(await planOf(rig, [packages], {buildImages: other.context.buildImages})).toEqual({
      'root_fs.packages': ['run', expect.stringMatching(/^build image [0-9a-f]{12} → [0-9a-f]{12}$/)],
    });
  });

  it('a list in the lock: nothing asks the mirror, and what was built from the same list is used', async () => {
    const rig = await RunRig.create();
    const resolved = await rig.built(resolve, {'list.tsv': 'a list'});
    await rig.built(installing, {p: '1'}, resolved);
    const planWith = (list: string) =>
      planOf(rig, [resolve, installing], {lists: new Map([[resolve.name, list]])});
    expect(await planWith('a list')).toEqual({'root_fs.resolve': ['hit'], 'root_fs.packages': ['hit']});
    expect(await planWith('another')).toEqual({
      'root_fs.resolve': ['hit'],
      'root_fs.packages': ['run', expect.stringMatching(/^root_fs.resolve [0-9a-f]{12} → [0-9a-f]{12}$/)],
    });
  });

  it('a list to stay close to: the mirror is asked again', async () => {
    const rig = await RunRig.create();
    await rig.built(resolve, {'list.tsv': 'a list'});
    expect(await planOf(rig, [resolve], {previousLists: new Map([[resolve.name, 'older']])})).toEqual({
      'root_fs.resolve': ['run', expect.stringMatching(/^list to stay close to \(none\) → [0-9a-f]{12}$/)],
    });
  });

  it('the mirror is asked again on another day of the archive, not for other time stamps', async () => {
    const rig = await RunRig.create();
    await rig.built(resolve, {'list.tsv': 'a list'});
    const {baseImage, epoch} = rig.context;
    expect(await planOf(rig, [resolve], {epoch: epoch + 1})).toEqual({'root_fs.resolve': ['hit']});
    const later = {...baseImage, archiveDate: baseImage.archiveDate + 1};
    expect((await planOf(rig, [resolve], {baseImage: later}))['root_fs.resolve']?.[0]).toBe('run');
  });

  it('what another version built is no hit, and is not taken apart', async () => {
    const rig = await RunRig.create();
    await rig.volume.publish(print('a'), {p: '1'}, {step: 'root_fs.packages', inputs: {format: 0}});
    expect(await planOf(rig, [packages])).toEqual({
      'root_fs.packages': ['run', 'it was built by another version of hypriotkit'],
    });
  });
});
