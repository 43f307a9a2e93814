import {mkdir, mkdtemp, readFile, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterAll, beforeAll, describe, expect, it} from 'vitest';
import {build, plan, type PipelineEvent} from '../../api/index.ts';
import {ScratchRepository} from '../git/scratch-repository.ts';
import {DockerRegistry} from '../registry/docker-registry.ts';
import {runCli} from './cli.ts';
import {newVolumeName, removeTestThings, removeVolume, testBaseImage} from './engine.ts';

const blank = {boot_size: '64MiB', image: 'hypriotkit-test/tool:latest'};

let registry: DockerRegistry;
let folder: string;
const volumes: string[] = [];
beforeAll(async () => {
  await testBaseImage();
  registry = await DockerRegistry.start();
  folder = await mkdtemp(join(tmpdir(), 'hypriotkit-test-teams-'));
});
afterAll(async () => {
  for (const volume of volumes) await removeVolume(volume);
  await rm(folder, {recursive: true, force: true});
  await registry[Symbol.asyncDispose]();
  await removeTestThings();
});

function newVolume(): string {
  const volume = newVolumeName();
  volumes.push(volume);
  return volume;
}

describe('a matrix and a registry', () => {
  it('builds every variant once, and gives all of them to another volume without a build', async () => {
    const config = join(folder, 'configs.json');
    const matrix = {'blank_image.size': ['320MiB', '384MiB']};
    await writeFile(config, JSON.stringify({blank_image: blank, matrix}));
    const ref = `${registry.host}/team/cache`;
    const first = await build({config, target: join(folder, 'a'), volume: newVolume(), cacheTo: [ref]});
    expect(first.variants?.map(({variant, outcome}) => [variant, outcome])).toEqual([
      ['320MiB', 'done'],
      ['384MiB', 'done'],
    ]);
    expect(first.pushed.map(({entries, failure}) => [entries, failure])).toEqual([
      [1, undefined],
      [1, undefined],
    ]);

    const other = newVolume();
    const planned = await plan({config, volume: other, cacheFrom: [ref]});
    expect(planned.steps.slice(1).map(({step, action, from}) => [step, action, from])).toEqual([
      ['blank_image [320MiB]', 'hit', ref],
      ['blank_image [384MiB]', 'hit', ref],
    ]);
    const events: PipelineEvent[] = [];
    const second = await build({
      config,
      target: join(folder, 'b'),
      volume: other,
      cacheFrom: [ref],
      verbosity: 'debug',
      onEvent: (event) => events.push(event),
    });
    const finished = events.filter((event) => event.type === 'step-finished');
    expect(finished.slice(1).map(({outcome, from}) => [outcome, from])).toEqual([
      ['hit', ref],
      ['hit', ref],
    ]);
    const sums = (result: typeof first) => result.delivered.map(({name, sha256}) => [name, sha256]);
    expect(sums(second)).toEqual(sums(first));
    const described = JSON.parse(await readFile(join(folder, 'b/384MiB/build.json'), 'utf8')) as {
      steps: {from?: string}[];
    };
    expect(described.steps.map(({from}) => from)).toEqual([ref]);

    // Without a target, the files have to be in the volume.
    const third = await build({config, volume: newVolume(), cacheFrom: [ref], variant: '320MiB'});
    expect(third.variants?.map(({outcome}) => outcome)).toEqual(['done']);
    expect(third.delivered).toEqual([]);
  });

  it('delivers the variants that can be made, and says of the other why it cannot', async () => {
    const repository = new ScratchRepository();
    try {
      repository.commit({Dockerfile: 'FROM scratch\nCOPY missing /\n'});
      const config = join(folder, 'broken', 'configs.json');
      const target = join(folder, 'broken', 'out');
      await mkdir(target, {recursive: true});
      const include = [{'blank_image.size': '448MiB', 'blank_image.repo': repository.url}];
      const matrix = {'blank_image.size': ['320MiB', '384MiB'], include};
      await writeFile(config, JSON.stringify({blank_image: blank, matrix}));
      const {code, stdout, stderr} = await runCli(['build', '-c', config, '-t', target, '-v', newVolume()]);
      expect(code).toBe(1);
      expect(stdout.trim().split('\n').sort()).toEqual(
        ['320MiB', '384MiB'].flatMap((variant) =>
          ['', '.sha256'].map((end) => join(target, variant, `rpi-raw.img.zip${end}`)),
        ),
      );
      const table = stderr.trim().split('\n').slice(-4);
      expect(table[0]).toMatch(/ 320MiB +2 files, /);
      expect(table[1]).toMatch(/ 384MiB +2 files, /);
      expect(table[2]).toMatch(/ blank_image: .*missing/);
      expect(table[3]).toBe('1 of 3 variants failed');
    } finally {
      repository.remove();
    }
  });
});
