import {describe, expect, it} from 'vitest';
import {builtinBuildImages} from '../../../../api/engine/build-image.ts';
import {isReachable} from '../../../../api/pipeline/clean-reachable.ts';
import {explainSteps, identifySteps} from '../../../../api/pipeline/explain-steps.ts';
import {identifyStep} from '../../../../api/pipeline/identify-step.ts';
import type {Step} from '../../../../api/components/step.ts';
import {ArtifactStore} from '../../../../volumes/artifact-store.ts';
import type {StoreEntry} from '../../../../volumes/store-entry.ts';
import {makeEntry, makeSetting, makeStep} from './step-rig.ts';

const base = {
  baseImage: {reference: 'base', identity: 'b'.repeat(64), archiveDate: 1, packagesDigest: 'p'},
  buildImages: builtinBuildImages(),
  epoch: 1_700_000_000,
  lists: new Map<string, string>(),
  previousLists: new Map<string, string>(),
};
const packages = makeStep({name: 'root_fs.packages', settings: [makeSetting('PACKAGES', 'sudo')]});
const rootFs = makeStep({inputs: ['root_fs.packages'], settings: [makeSetting('HOSTNAME', 'reef')]});

/** A store that holds these entries and can do nothing else. */
function storeOf(...entries: StoreEntry[]): ArtifactStore {
  return new ArtifactStore({
    label: 'test',
    runWithInput: () => Promise.reject(new Error('no volume')),
    run: () => Promise.reject(new Error('nothing may be run')),
    stream: () => Promise.reject(new Error('nothing may be run')),
    writeFile: () => Promise.reject(new Error('nothing may be written')),
    readFolder: () =>
      Promise.resolve(
        new Map(entries.map((entry) => [`${entry.fingerprint}.json`, Buffer.from(JSON.stringify(entry))])),
      ),
  });
}

/** The entry that a build of the step would make. */
async function built(step: Step, inputs: readonly StoreEntry[] = [], given: Partial<StoreEntry> = {}) {
  const identity = await identifyStep(step, new Map(inputs.map((entry) => [entry.step, entry])), base);
  return makeEntry({step: step.name, ...identity, ...given});
}

const withSetting = (step: Step, value: string): Step => ({
  ...step,
  settings: step.settings.map((setting) => ({...setting, value})),
});

describe('explain', () => {
  it('of a hit lists its inputs, none of them changed, and names its entry', async () => {
    const entry = await built(packages);
    const [step] = await explainSteps([packages], storeOf(entry), base);
    expect(step).toMatchObject({
      action: 'hit',
      reasons: [],
      comparedWith: {fingerprint: entry.fingerprint, createdAt: entry.createdAt},
    });
    expect(step?.inputs.length).toBeGreaterThan(4);
    expect(step?.inputs.some(({changed}) => changed)).toBe(false);
  });

  it('compares a step that runs with its newest entry', async () => {
    const older = await built(withSetting(packages, 'nano'), [], {createdAt: '2026-01-01T00:00:00.000Z'});
    const newer = await built(withSetting(packages, 'vim'), [], {createdAt: '2026-02-01T00:00:00.000Z'});
    const [step] = await explainSteps([packages], storeOf(newer, older), base);
    expect(step?.action).toBe('run');
    expect(step?.reasons).toEqual(['root_fs.packages "vim" → "sudo"']);
    expect(step?.inputs.filter(({changed}) => changed)).toMatchObject([{before: 'vim', value: 'sudo'}]);
    expect(step?.comparedWith?.fingerprint).toBe(newer.fingerprint);
  });

  it('says what changed in a step whose inputs have to be built first', async () => {
    const old = await built(withSetting(packages, 'nano'));
    const oldRoot = await built(withSetting(rootFs, 'black-pearl'), [old]);
    const steps = await explainSteps([packages, rootFs], storeOf(old, oldRoot), base);
    expect(steps[1]?.reasons).toEqual([
      'root_fs.hostname "black-pearl" → "reef"',
      'needs root_fs.packages, which has to run first',
    ]);
    expect(steps[1]?.inputs.filter(({changed}) => changed).map(({name}) => name)).toEqual([
      'root_fs.hostname',
    ]);
    expect(steps[1]?.inputs.find(({name}) => name === 'root_fs.packages')).not.toHaveProperty('value');
  });

  it('knows no inputs without a base image', async () => {
    const [step] = await explainSteps([packages], storeOf(), undefined);
    expect(step).toMatchObject({action: 'run', inputs: []});
  });

  it('has nothing to compare with in an empty volume', async () => {
    const [step] = await explainSteps([packages], storeOf(), base);
    expect(step?.reasons).toEqual(['it has never been built in this volume']);
    expect(step).not.toHaveProperty('comparedWith');
    expect(step?.inputs.some(({changed}) => changed)).toBe(false);
  });
});

describe('an entry is reachable', () => {
  const reachable = async (entry: StoreEntry, ...stored: StoreEntry[]) => {
    const identified = await identifySteps([packages, rootFs], storeOf(...stored), base);
    return isReachable(
      entry,
      identified.find(({plan}) => plan.step === entry.step),
    );
  };

  it('when a build would use it', async () => {
    const entry = await built(packages);
    expect(await reachable(entry, entry)).toBe(true);
  });

  it('not with another setting, nor when its step does not exist any more', async () => {
    const current = await built(packages);
    expect(await reachable(await built(withSetting(packages, 'vim')), current)).toBe(false);
    expect(await reachable(makeEntry({step: 'gone'}), current)).toBe(false);
  });

  it('when nothing is known against it, because its input has to be built first', async () => {
    const lost = await built(packages);
    expect(await reachable(await built(rootFs, [lost]))).toBe(true);
    expect(await reachable(await built(withSetting(rootFs, 'black-pearl'), [lost]))).toBe(false);
    expect(await reachable(makeEntry({inputs: {format: 0}}))).toBe(false);
  });

  it('not when its input is there and is another', async () => {
    const [current, other] = [
      await built(packages),
      await built(withSetting(packages, 'vim'), [], {
        files: [{name: 'a', sizeBytes: 1, sha256: '0'.repeat(64)}],
      }),
    ];
    expect(await reachable(await built(rootFs, [other]), current, other)).toBe(false);
  });
});
