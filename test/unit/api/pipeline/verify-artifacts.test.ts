import {describe, expect, it} from 'vitest';
import {fingerprintInputs} from '../../../../api/pipeline/fingerprint.ts';
import {compareDigests, compareInputs} from '../../../../api/pipeline/verify-artifacts.ts';
import type {Reference, ReferenceStep} from '../../../../api/pipeline/verify-reference.ts';
import {makeEntry, makeSetting, makeStep} from './step-rig.ts';

const steps = [
  makeStep({name: 'blank_image'}),
  makeStep({name: 'root_fs'}),
  makeStep({name: 'rpi_sd_image', inputs: ['root_fs', 'blank_image']}),
];
const filesOf = (files: Readonly<Record<string, string>>) =>
  Object.entries(files).map(([name, digit]) => ({name, sizeBytes: 1, sha256: digit.repeat(64)}));

type Files = Readonly<Record<string, Readonly<Record<string, string>>>>;

function compareFiles(before: Files, after: Files): string[] {
  const reference: Reference = {
    label: 'build.json',
    epoch: undefined,
    folder: undefined,
    steps: new Map(
      Object.entries(before).map(([step, files]) => [step, {inputs: {}, files: filesOf(files)}]),
    ),
  };
  const entries = new Map(
    Object.entries(after).map(([step, files]) => [step, makeEntry({step, files: filesOf(files)})]),
  );
  return compareDigests(steps, reference, entries).map(({step, name, status, because}) =>
    [step, name, status, ...(because === undefined ? [] : [`(${because})`])].join(' '),
  );
}

describe('two builds', () => {
  it('that made the same files are the same', () => {
    const files = {root_fs: {'r.tar.gz': '1', 'r.tar.gz.sha256': '2'}, blank_image: {'b.img.zip': '3'}};
    expect(compareFiles(files, files)).toEqual([
      'blank_image b.img.zip same',
      'root_fs r.tar.gz same',
      'root_fs r.tar.gz.sha256 same',
    ]);
  });

  it('differ first where nothing else explains it', () => {
    const before = {
      blank_image: {'b.img.zip': '3'},
      root_fs: {'r.tar.gz': '1', 'r.tar.gz.sha256': '2'},
      rpi_sd_image: {'x.img': '4', 'x.img.zip': '5'},
    };
    const after = {
      blank_image: {'b.img.zip': '3'},
      root_fs: {'r.tar.gz': 'a', 'r.tar.gz.sha256': 'b'},
      rpi_sd_image: {'x.img': 'c', 'x.img.zip': 'd'},
    };
    expect(compareFiles(before, after)).toEqual([
      'blank_image b.img.zip same',
      'root_fs r.tar.gz different',
      'root_fs r.tar.gz.sha256 different (r.tar.gz)',
      'rpi_sd_image x.img different (root_fs)',
      'rpi_sd_image x.img.zip different (root_fs)',
    ]);
  });

  it('explain what is packed from an image by the image', () => {
    const names = ['x.img', 'x.img.bmap', 'x.img.zip', 'x.img.zip.sha256', 'x.img.zst'];
    const files = (digit: string) => ({rpi_sd_image: Object.fromEntries(names.map((name) => [name, digit]))});
    expect(compareFiles(files('1'), files('2'))).toEqual([
      'rpi_sd_image x.img different',
      'rpi_sd_image x.img.bmap different (x.img)',
      'rpi_sd_image x.img.zip different (x.img)',
      'rpi_sd_image x.img.zip.sha256 different (x.img.zip)',
      'rpi_sd_image x.img.zst different (x.img)',
    ]);
  });

  it('do not explain a difference by a file that is the same', () => {
    expect(
      compareFiles(
        {rpi_sd_image: {'x.img': '1', 'x.img.zst': '2'}},
        {rpi_sd_image: {'x.img': '1', 'x.img.zst': '3'}},
      ),
    ).toEqual(['rpi_sd_image x.img same', 'rpi_sd_image x.img.zst different']);
  });

  it('name files that only one of them has', () => {
    expect(compareFiles({root_fs: {a: '1', b: '1'}}, {root_fs: {b: '1', c: '1'}})).toEqual([
      'root_fs a absent',
      'root_fs b same',
      'root_fs c new',
    ]);
    expect(compareFiles({}, {blank_image: {a: '1'}})).toEqual(['blank_image a new']);
  });
});

describe('the inputs of two builds', () => {
  const context = {buildImage: 'b', baseImage: 'a', epoch: 1, inputs: new Map()};
  const inputsOf = (hostname: string, digit: string) =>
    fingerprintInputs(makeStep({settings: [makeSetting('HOSTNAME', hostname)]}), {
      ...context,
      inputs: new Map([['root_fs', makeEntry({files: filesOf({a: digit})})]]),
    });
  const compare = (before: unknown, after: unknown) => {
    const reference = new Map<string, ReferenceStep>([['rpi_sd_image', {inputs: before, files: []}]]);
    return compareInputs(
      steps,
      {label: '', epoch: undefined, folder: undefined, steps: reference},
      new Map([['rpi_sd_image', makeEntry({inputs: after})]]),
    );
  };

  it('are named where they differ, but for what follows from another step', () => {
    expect(compare(inputsOf('reef', '1'), inputsOf('reef', '2'))).toEqual([]);
    expect(compare(inputsOf('black-pearl', '1'), inputsOf('reef', '2'))).toEqual([
      {step: 'rpi_sd_image', reasons: ['root_fs.hostname "black-pearl" → "reef"']},
    ]);
  });

  it('of another version of hypriotkit are not compared', () => {
    expect(compare({format: 0}, inputsOf('reef', '1'))).toEqual([]);
  });
});
