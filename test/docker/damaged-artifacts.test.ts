import {mkdtemp, readFile, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterAll, afterEach, beforeAll, beforeEach, describe, expect, it} from 'vitest';
import {build} from '../../api/index.ts';
import type {PipelineEvent} from '../../api/index.ts';
import {inVolume, newVolumeName, removeTestThings, removeVolume, testBaseImage} from './engine.ts';
import {entryOf, Rig, shellStep, summaryOf} from './rig.ts';

beforeAll(testBaseImage);
afterAll(removeTestThings);

/** Text that changes one byte of a file and nothing of its size or times. */
const flipByte = (path: string) =>
  `touch -r '${path}' /tmp/times
   printf X | dd of='${path}' bs=1 seek=0 conv=notrunc status=none
   touch -r /tmp/times '${path}'`;

describe('a damaged artifact in the volume', () => {
  let rig: Rig;
  beforeEach(() => {
    rig = new Rig();
  });
  afterEach(async () => {
    await rig[Symbol.asyncDispose]();
  });

  it('is noticed before it is used, and built again', async () => {
    const steps = [
      shellStep('a', 'echo content >out'),
      shellStep('b', 'cat /inputs/a/out >out', {inputs: ['a']}),
    ];
    const {fingerprint} = await rig.make(steps[0] as (typeof steps)[number]);
    await inVolume(rig.volume, flipByte(`.hypriotkit/entries/${fingerprint}/out`));

    const run = await rig.run(steps);

    expect(summaryOf(run)).toEqual({a: 'built', b: 'built'});
    expect(run.events).toContainEqual(
      expect.objectContaining({
        type: 'notice',
        level: 'warning',
        message: 'a: out in the volume is damaged; it is built again',
      }),
    );
    expect(await rig.read(entryOf(run, 'b'))).toBe('content\n');
    expect(await rig.leftovers()).toEqual([]);
  });

  it.each([
    ['file is gone', (fingerprint: string) => `rm .hypriotkit/entries/${fingerprint}/out`],
    ['folder is gone', (fingerprint: string) => `rm -r .hypriotkit/entries/${fingerprint}`],
    [
      'index file is cut off',
      (fingerprint: string) => `truncate -s 100 .hypriotkit/index/${fingerprint}.json`,
    ],
    [
      'index file is another one',
      (fingerprint: string) => `cd .hypriotkit/index; sed -i s/${fingerprint}/$(printf 0%.0s $(seq 64))/ *`,
    ],
  ])('is built again when its %s', async (_what, damage) => {
    const step = shellStep('a', 'echo content >out');
    const {fingerprint} = await rig.make(step);
    await inVolume(rig.volume, damage(fingerprint));

    const run = await rig.run([step]);

    expect(summaryOf(run)).toEqual({a: 'built'});
    expect(await rig.read(entryOf(run, 'a'))).toBe('content\n');
    expect(summaryOf(await rig.run([step]))).toEqual({a: 'hit'});
  });
});

describe('an artifact that is damaged in the volume and wanted in the target', () => {
  const volume = newVolumeName();
  let target: string;
  beforeEach(async () => {
    target = await mkdtemp(join(tmpdir(), 'hypriotkit-test-target-'));
  });
  afterEach(async () => {
    await rm(target, {recursive: true});
    await removeVolume(volume);
  });

  it('is never delivered, but built again', async () => {
    await writeFile(
      join(target, 'configs.json'),
      '{"blank_image": {"size": "320MiB", "boot_size": "64MiB", "image": "hypriotkit-test/tool:latest"}}',
    );
    const {artifacts} = await build({target, volume});
    const name = 'rpi-raw.img.zip';
    const sound = await readFile(join(target, name));
    await rm(join(target, name));
    await inVolume(volume, `cd .hypriotkit/entries/*/; ${flipByte(name)}`);

    const events: PipelineEvent[] = [];
    const result = await build({target, volume, verbosity: 'debug', onEvent: (event) => events.push(event)});

    expect(events).toContainEqual(
      expect.objectContaining({
        type: 'notice',
        level: 'warning',
        message: `${name} of blank_image is damaged in the volume; it is built again`,
      }),
    );
    expect(result.artifacts).toEqual(artifacts);
    expect((await readFile(join(target, name))).equals(sound)).toBe(true);
  });
});
