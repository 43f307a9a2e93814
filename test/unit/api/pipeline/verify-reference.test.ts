import {mkdir, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {describe, expect, it} from 'vitest';
import {findReference, newestBySteps, readBuild} from '../../../../api/pipeline/verify-reference.ts';
import {makeTempFolder} from '../temp-folder.ts';
import {makeEntry} from './step-rig.ts';

const build = {
  format: 1,
  hypriotkit: '0.1.0',
  source_date_epoch: 1_795_054_374,
  steps: [
    {
      step: 'blank_image',
      fingerprint: 'f'.repeat(64),
      inputs: {epoch: 1},
      artifacts: [{name: 'rpi-raw.img.zip', sizeBytes: 5, sha256: '0'.repeat(64)}],
    },
  ],
};

async function folderWith(text: string): Promise<string> {
  const folder = await makeTempFolder();
  await writeFile(join(folder, 'build.json'), text);
  return folder;
}

describe('what a build is compared with', () => {
  it.each(['build.json', ''])('is read from a file or its folder (%j)', async (name) => {
    const folder = await folderWith(JSON.stringify(build));
    expect(await readBuild(join(folder, name))).toEqual({
      label: join(folder, 'build.json'),
      epoch: 1_795_054_374,
      folder,
      steps: new Map([['blank_image', {inputs: {epoch: 1}, files: build.steps[0]?.artifacts}]]),
    });
  });

  it('is the build.json of the target unless another one is named', async () => {
    const [target, other] = [
      await folderWith(JSON.stringify(build)),
      await folderWith(JSON.stringify(build)),
    ];
    expect((await findReference({target})).folder).toBe(target);
    expect((await findReference({target, against: other})).folder).toBe(other);
  });

  it('is that of a mapped folder, which is its own target', async () => {
    const volume = await folderWith(JSON.stringify(build));
    expect((await findReference({volume})).folder).toBe(volume);
  });

  it.each(['', 'not json', '{}', JSON.stringify({...build, format: 2}), '{"format":1,"steps":[{}]}'])(
    'must be a build.json: %j',
    async (text) => {
      const folder = await folderWith(text);
      await expect(readBuild(folder)).rejects.toMatchObject({code: 'USAGE', couldNotStart: true});
    },
  );

  it('must exist when it is named', async () => {
    const folder = await makeTempFolder();
    await mkdir(join(folder, 'empty'));
    for (const path of ['empty', 'missing.json']) {
      await expect(readBuild(join(folder, path))).rejects.toMatchObject({
        code: 'USAGE',
        message: expect.stringMatching(/cannot be read/) as unknown,
      });
    }
  });

  it('is otherwise the newest entry of each step', () => {
    const entry = (step: string, createdAt: string) => makeEntry({step, createdAt});
    const newest = newestBySteps([
      entry('a', '2026-01-01'),
      entry('a', '2026-03-01'),
      entry('b', '2026-02-01'),
    ]);
    expect([...newest.values()].map(({step, createdAt}) => [step, createdAt])).toEqual([
      ['a', '2026-03-01'],
      ['b', '2026-02-01'],
    ]);
  });
});
