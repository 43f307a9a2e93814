import {readdir, readFile, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {describe, expect, it} from 'vitest';
import {writeProvenance, type Provenance} from '../../../../api/pipeline/provenance.ts';
import {defaultConfigs} from '../../../../configs/default-configs.ts';
import {print, StoreRig} from '../../volumes/store-rig.ts';
import {makeTempFolder} from '../temp-folder.ts';

async function makeRun() {
  const rig = new StoreRig(await makeTempFolder());
  const tsv = 'bash\t5.2-1\tarm64\tabc\nzlib1g\t1.3\tarm64\tdef\n';
  const entries = [
    await rig.publish(print('a'), {'packages.tsv': tsv, 'rootfs.tar.gz': 'x'}, {step: 'root_fs.packages'}),
    await rig.publish(print('b'), {'rpi-raw.img.zip': 'y'}, {step: 'blank_image'}),
  ];
  const defaults = defaultConfigs();
  const provenance: Provenance = {
    baseImage: {identity: 'i', archiveDate: 1_700_000_000},
    epoch: 1_700_000_000,
    engine: {
      name: 'reef',
      version: '27',
      apiVersion: '1.46',
      architecture: 'amd64',
      cpus: 1,
      memoryBytes: 1,
      host: {address: 'unix:///secret/place', foundBy: 'x'},
      rootless: false,
    },
    configs: {...defaults, root_fs: {...defaults.root_fs, password: 'correct horse'}},
    entries,
    version: '0.1.0',
  };
  const folder = await makeTempFolder();
  const write = (changes: Partial<Provenance> = {}) =>
    writeProvenance(folder, rig.store, {...provenance, ...changes});
  const read = async () =>
    JSON.parse(await readFile(join(folder, 'build.json'), 'utf8')) as Record<string, unknown>;
  return {rig, folder, entries, write, read};
}

describe('build.json', () => {
  it('says what the artifacts were made from', async () => {
    const {folder, entries, write, read} = await makeRun();
    expect(await write()).toBe(join(folder, 'build.json'));
    expect(await readdir(folder)).toEqual(['build.json']);
    expect(await read()).toMatchObject({
      format: 1,
      hypriotkit: '0.1.0',
      source_date_epoch: 1_700_000_000,
      base_image: {identity: 'i', archive_date: '2023-11-14T22:13:20.000Z'},
      engine: {version: '27', architecture: 'amd64'},
      steps: entries.map((entry) => ({
        step: entry.step,
        fingerprint: entry.fingerprint,
        artifacts: entry.files,
      })),
      packages: {
        'root_fs.packages': [
          {name: 'bash', version: '5.2-1', architecture: 'arm64', sha256: 'abc'},
          {name: 'zlib1g', version: '1.3', architecture: 'arm64', sha256: 'def'},
        ],
      },
    });
  });

  it('has no password and no place in it', async () => {
    const {folder, write} = await makeRun();
    await write();
    const text = await readFile(join(folder, 'build.json'), 'utf8');
    expect(text).not.toContain('correct horse');
    expect(text).not.toContain('/secret/place');
  });

  it('is left alone when it describes the same steps, and needs nothing of the volume then', async () => {
    const {rig, folder, write} = await makeRun();
    await write();
    const before = await readFile(join(folder, 'build.json'), 'utf8');
    await rig.store.destroy();
    await write({version: '9'});
    expect(await readFile(join(folder, 'build.json'), 'utf8')).toBe(before);
  });

  it.each(['', 'no JSON', '{}', '{"steps": 5}', 'null'])('is written anew over %j', async (text) => {
    const {folder, write, read} = await makeRun();
    await writeFile(join(folder, 'build.json'), text);
    await write();
    expect(await read()).toMatchObject({format: 1});
  });

  it('is written anew for other steps', async () => {
    const {rig, entries, write, read} = await makeRun();
    await write();
    await write({entries: [...entries, await rig.publish(print('c'), {a: 'x'}, {step: 'rpi_kernel'})]});
    expect((await read())['steps']).toHaveLength(3);
  });
});
