import {describe, expect, it} from 'vitest';
import {explainInputs} from '../../../../api/pipeline/explain-inputs.ts';
import {fingerprintInputs, type FingerprintContext} from '../../../../api/pipeline/fingerprint.ts';
import {makeEntry, makeSetting, makeStep} from './step-rig.ts';

const step = makeStep({
  settings: [
    makeSetting('HOSTNAME', 'black-pearl'),
    makeSetting('USERNAME', 'pirate'),
    makeSetting('PASSWORD', 'hypriot', true),
  ],
  inputs: ['root_fs.packages'],
});
const packages = (digit: string) =>
  makeEntry({step: 'root_fs.packages', files: [{name: 'a', sizeBytes: 1, sha256: digit.repeat(64)}]});
const context = (given: Partial<FingerprintContext> = {}): FingerprintContext => ({
  buildImage: 'b1',
  baseImage: 'a1',
  epoch: 1_700_000_000,
  inputs: new Map([['root_fs.packages', packages('1')]]),
  ...given,
});
const before = fingerprintInputs(step, context());

const changesOf = (now: typeof before, unknown: readonly string[] = []) =>
  explainInputs(before, now, unknown)
    .filter(({changed}) => changed)
    .map(({kind, name, before: old, value}) => [kind, name, old, value]);

describe('the inputs of a fingerprint', () => {
  it('are all listed, each with its name and value', () => {
    expect(explainInputs(undefined, before, [])).toEqual([
      {kind: 'setting', name: 'root_fs.hostname', variable: 'HOSTNAME', value: 'black-pearl', changed: false},
      {kind: 'setting', name: 'root_fs.password', variable: 'PASSWORD', value: '(secret)', changed: false},
      {kind: 'setting', name: 'root_fs.username', variable: 'USERNAME', value: 'pirate', changed: false},
      {kind: 'input', name: 'root_fs.packages', value: before.inputs['root_fs.packages'], changed: false},
      {kind: 'base-image', name: 'base image', value: 'a1', changed: false},
      {kind: 'build-image', name: 'build image', value: 'b1', changed: false},
      {kind: 'command', name: 'command', value: '/builder/build.sh', changed: false},
      {kind: 'epoch', name: 'SOURCE_DATE_EPOCH', value: '1700000000', changed: false},
      {kind: 'contract', name: 'contract', value: '1.1', changed: false},
    ]);
  });

  it('that are the same are not changed', () => {
    expect(changesOf(fingerprintInputs(step, context()))).toEqual([]);
  });

  it('that changed have both values', () => {
    const settings = [makeSetting('HOSTNAME', 'reef'), ...step.settings.slice(1)];
    expect(changesOf(fingerprintInputs({...step, settings}, context()))).toEqual([
      ['setting', 'root_fs.hostname', 'black-pearl', 'reef'],
    ]);
  });

  it('never show a secret, nor its digest', () => {
    const settings = [...step.settings.slice(0, 2), makeSetting('PASSWORD', 'parrot', true)];
    const now = fingerprintInputs({...step, settings}, context());
    expect(changesOf(now)).toEqual([['setting', 'root_fs.password', '(secret)', '(secret)']]);
    expect(JSON.stringify(explainInputs(before, now, []))).not.toMatch(/secret:|parrot|hypriot"/);
  });

  it.each([
    [{baseImage: 'a2'}, ['base-image', 'base image', 'a1', 'a2']],
    [{buildImage: 'b2'}, ['build-image', 'build image', 'b1', 'b2']],
    [{epoch: 1}, ['epoch', 'SOURCE_DATE_EPOCH', '1700000000', '1']],
  ])('of %j', (given, change) => {
    expect(changesOf(fingerprintInputs(step, context(given)))).toEqual([change]);
  });

  it('of another step changed by content', () => {
    const now = fingerprintInputs(step, context({inputs: new Map([['root_fs.packages', packages('2')]])}));
    expect(changesOf(now)).toEqual([
      ['input', 'root_fs.packages', before.inputs['root_fs.packages'], now.inputs['root_fs.packages']],
    ]);
  });

  it('that are not known yet are no change', () => {
    const now = fingerprintInputs(step, context({inputs: new Map()}));
    expect(changesOf(now, ['root_fs.packages'])).toEqual([]);
    expect(explainInputs(undefined, now, ['root_fs.packages'])).toContainEqual({
      kind: 'input',
      name: 'root_fs.packages',
      changed: false,
    });
  });

  it('that were added or taken away are changes', () => {
    const settings = [...step.settings.slice(0, 2), makeSetting('LOCALE', 'de')];
    expect(changesOf(fingerprintInputs({...step, settings}, context()))).toEqual([
      ['setting', 'root_fs.locale', undefined, 'de'],
      ['setting', 'root_fs.password', '(secret)', undefined],
    ]);
  });

  it('of a later version are shown, whatever they are', () => {
    const now = {...before, locked: {b: 1, a: 2}};
    expect(changesOf(now)).toEqual([['other', 'locked', undefined, '{"a":2,"b":1}']]);
  });
});
