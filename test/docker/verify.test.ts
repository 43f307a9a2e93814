import {createHash, randomBytes} from 'node:crypto';
import {mkdtemp, open, readdir, readFile, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {deflateRawSync} from 'node:zlib';
import {afterAll, beforeAll, describe, expect, it} from 'vitest';
import {build, clean, explain, status, verify, type VerifyResult} from '../../api/index.ts';
import {unpackZip} from '../../api/disk/unpack.ts';
import {contentLabelValue, label} from '../../api/docker/labels.ts';
import {openSession} from '../../api/engine/open-session.ts';
import {unpackZstd} from '../../api/pipeline/verify-copies.ts';
import {ArtifactStore} from '../../volumes/artifact-store.ts';
import {runCli} from './cli.ts';
import {engine, newVolumeName, removeTestThings, removeVolume, testBaseImage} from './engine.ts';

const zip = 'rpi-raw.img.zip';
const components = ['blank_image'];

let volume: string;
let target: string;
beforeAll(async () => {
  await testBaseImage();
  volume = newVolumeName();
  target = await mkdtemp(join(tmpdir(), 'hypriotkit-test-verify-'));
  await configure('400MiB');
  await build({volume, target, components});
});
afterAll(async () => {
  await removeVolume(volume);
  await rm(target, {recursive: true, force: true});
  await removeTestThings();
});

async function configure(size: string): Promise<void> {
  const blank = {size, boot_size: '64MiB', image: 'hypriotkit-test/tool:latest'};
  await writeFile(join(target, 'configs.json'), JSON.stringify({blank_image: blank}));
}

async function verifyVolumes(): Promise<readonly string[]> {
  const docker = await engine();
  const {Volumes: found} = (await docker.listVolumes()) as {Volumes: readonly {Name: string}[] | null};
  return (found ?? []).map(({Name: name}) => name).filter((name) => name.startsWith('hypriotkit-verify-'));
}

/** The place of the first difference of an artifact. */
function firstPlace({artifacts}: VerifyResult, name = zip): readonly (string | number | undefined)[] {
  const [first] = artifacts.find((artifact) => artifact.name === name)?.differences ?? [];
  return first === undefined ? [] : [...first.path, first.what, first.offset];
}

/** A folder with a build.json whose image was changed in one place, as if another machine had made it. */
async function alteredBuild(alter: (image: string) => Promise<void>): Promise<string> {
  const folder = await mkdtemp(join(target, 'altered-'));
  const image = join(folder, 'raw.img');
  await unpackZip(join(target, zip), image);
  await alter(image);
  const packed = deflateRawSync(await readFile(image), {level: 1});
  await rm(image);
  const original = await readFile(join(target, zip));
  const nameEnd = 30 + original.readUInt16LE(26) + original.readUInt16LE(28);
  const content = Buffer.concat([original.subarray(0, nameEnd), packed]);
  await writeFile(join(folder, zip), content);
  const json = JSON.parse(await readFile(join(target, 'build.json'), 'utf8')) as {
    steps: {artifacts: {name: string; sha256: string; sizeBytes: number}[]}[];
  };
  for (const file of json.steps.flatMap(({artifacts}) => artifacts)) {
    if (file.name !== zip) continue;
    file.sha256 = createHash('sha256').update(content).digest('hex');
    file.sizeBytes = content.length;
  }
  await writeFile(join(folder, 'build.json'), JSON.stringify(json));
  return folder;
}

async function writeAt(path: string, offset: number, content: Buffer): Promise<void> {
  const file = await open(path, 'r+');
  try {
    await file.write(content, 0, content.length, offset);
  } finally {
    await file.close();
  }
}

/** Where the second partition of the image begins. */
const rootStart = (8192 + 131_072) * 512;

describe('verify', () => {
  it('finds a second build identical, and leaves nothing', async () => {
    const before = (await readdir(target)).sort();
    const result = await verify({volume, target});
    expect(result).toMatchObject({identical: true, changedInputs: []});
    expect(result.reference).toBe(join(target, 'build.json'));
    expect(result.artifacts.map(({name, status: is}) => [name, is])).toEqual([
      [zip, 'same'],
      [`${zip}.sha256`, 'same'],
    ]);
    expect((await readdir(target)).sort()).toEqual(before);
    expect(result).not.toHaveProperty('volume');
    expect((await status({volume})).entries).toHaveLength(1);
  });

  it('compares with the newest artifacts of the volume where there is no target', async () => {
    const result = await verify({volume, config: join(target, 'configs.json')});
    expect(result.identical).toBe(true);
    expect(result.reference).toBe(`the newest artifacts in the volume ${volume}`);
  });

  it('names the UUID in the superblock of the root partition', async () => {
    const against = await alteredBuild((image) => writeAt(image, rootStart + 1024 + 104, randomBytes(16)));
    const result = await verify({volume, target, against});
    expect(result.identical).toBe(false);
    expect(firstPlace(result)).toEqual(['partition 2 (ext4)', 'superblock', 'UUID', undefined]);
  });

  it('names the volume id of the boot partition', async () => {
    const against = await alteredBuild((image) => writeAt(image, 8192 * 512 + 67, randomBytes(4)));
    expect(firstPlace(await verify({volume, target, against}))).toEqual([
      'partition 1 (FAT32)',
      'boot sector',
      'volume id',
      undefined,
    ]);
  });

  it('says what changed when the configuration is another one, and where that is seen', async () => {
    await configure('420MiB');
    const result = await verify({volume, target});
    expect(result.identical).toBe(false);
    expect(result.changedInputs).toMatchObject([{step: 'blank_image'}]);
    expect(result.changedInputs[0]?.reasons).toContain('blank_image.size "419430400" → "440401920"');
    expect(firstPlace(result)).toEqual(['size', undefined]);
    await configure('400MiB');
  });

  it('says which artifact differs when only its digest is known', async () => {
    const against = await alteredBuild((image) => writeAt(image, 0, Buffer.from('x')));
    await rm(join(against, zip));
    const {code, stdout} = await runCli(['verify', '-v', volume, '-t', target, '--against', against]);
    expect(code).toBe(1);
    expect(stdout).toContain(`✖ blank_image: ${zip} differs`);
    expect(stdout).toContain('only its digest is known');
  });

  it('keeps its volume when asked', async () => {
    const result = await verify({volume, target, keep: true});
    expect(await verifyVolumes()).toContain(result.volume);
    expect((await status({volume: result.volume ?? ''})).entries).toHaveLength(1);
    await removeVolume(result.volume ?? '');
  });

  it('has nothing to compare with in an empty volume', async () => {
    await expect(verify({volume: newVolumeName(), components})).rejects.toMatchObject({code: 'USAGE'});
  });

  it('removes its volume when it is interrupted', async () => {
    const abort = new AbortController();
    const before = await verifyVolumes();
    const running = verify({
      volume,
      target,
      verbosity: 'debug',
      signal: abort.signal,
      onEvent: (event) => {
        if (event.type === 'step-progress' && event.message === 'running') abort.abort();
      },
    });
    await expect(running).rejects.toMatchObject({code: 'INTERRUPTED'});
    expect(await verifyVolumes()).toEqual(before);
  });

  it('unpacks zstd with the tools of the base image, and refuses what is none', async () => {
    const name = newVolumeName();
    await using session = await openSession({volume: name});
    await session.volumes.create(name, {[label.content]: contentLabelValue});
    session.useBaseImage((await testBaseImage()).reference);
    const store = new ArtifactStore(session);
    const [packed, unpacked] = [join(target, 'packed.zst'), join(target, 'unpacked')];
    const content = await session.run('head -c 3000000 /dev/zero; printf end', []);
    const frame = await session.run('(head -c 3000000 /dev/zero; printf end) | zstd -q | base64', []);
    await writeFile(packed, Buffer.from(frame, 'base64'));
    await unpackZstd(session, store, packed, unpacked);
    expect((await readFile(unpacked)).equals(Buffer.from(content))).toBe(true);
    await writeFile(packed, 'no zstd');
    await expect(unpackZstd(session, store, packed, unpacked)).rejects.toMatchObject({name: 'DamagedError'});
    expect(await session.run('ls .hypriotkit/work', [])).toBe('');
    await session.close();
    await removeVolume(name);
  });
});

describe('explain', () => {
  it('names a changed field with both values', async () => {
    await configure('420MiB');
    const {steps} = await explain({volume, target});
    const [, blank] = steps;
    expect(blank?.action).toBe('run');
    expect(blank?.inputs.filter(({changed}) => changed)).toContainEqual({
      kind: 'setting',
      name: 'blank_image.size',
      variable: 'IMAGE_SIZE',
      before: '419430400',
      value: '440401920',
      changed: true,
    });
    await configure('400MiB');
    expect((await explain({volume, target})).steps[1]?.action).toBe('hit');
  });

  it('changes nothing and makes no volume', async () => {
    const name = newVolumeName();
    const {steps} = await explain({volume: name, components});
    expect(steps[1]?.reasons).toEqual(['it has never been built in this volume']);
    expect((await status({volume: name})).exists).toBe(false);
  });
});

describe('clean', () => {
  const steps = async () => (await status({volume})).entries.map(({sizeBytes}) => sizeBytes);

  it('frees what the configuration would not use, by age, and by size', async () => {
    const [first] = await steps();
    await configure('420MiB');
    await build({volume, components, config: join(target, 'configs.json')});
    const [newest] = await steps();
    expect(await steps()).toEqual([newest, first]);

    const unreachable = {volume, target, unreachable: true};
    expect(await clean({...unreachable, dryRun: true})).toMatchObject({freedBytes: first});
    expect(await clean({volume, olderThanMs: 3_600_000})).toMatchObject({freedBytes: 0, removed: []});
    expect(await clean({volume, keepBytes: 10 * 1024 ** 3})).toMatchObject({freedBytes: 0});
    expect(await steps()).toEqual([newest, first]);

    expect(await clean(unreachable)).toMatchObject({freedBytes: first});
    expect(await steps()).toEqual([newest]);
    expect(await clean({volume, keepBytes: (newest ?? 0) - 1})).toMatchObject({freedBytes: newest});
    expect(await steps()).toEqual([]);
  });
});
