import {mkdtemp, readdir, readFile, rm, stat, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterAll, afterEach, beforeAll, beforeEach, describe, expect, it} from 'vitest';
import {
  bootImage,
  build,
  doctor,
  ensureImage,
  plan,
  PipelineError,
  type BuildResult,
  type PipelineEvent,
} from '../../api/index.ts';
import {defaultConfigs} from '../../configs/default-configs.ts';
import {forgetBaseImage} from '../../api/engine/base-image.ts';
import {
  engine,
  inVolume,
  leftovers,
  newVolumeName,
  openForeignSession,
  removeTestThings,
  removeVolume,
  testBaseImage,
} from './engine.ts';
import {mebibyte} from './rig.ts';

let volume: string;
let target: string;
beforeAll(testBaseImage);
beforeEach(async () => {
  volume = newVolumeName();
  target = await mkdtemp(join(tmpdir(), 'hypriotkit-test-api-'));
});
afterEach(async () => {
  await removeVolume(volume);
  await rm(target, {recursive: true});
});
afterAll(removeTestThings);

async function configure(blank: object): Promise<void> {
  const configs = {blank_image: {boot_size: '64MiB', image: 'hypriotkit-test/tool:latest', ...blank}};
  await writeFile(join(target, 'configs.json'), JSON.stringify(configs));
}

describe('build and plan', () => {
  it('say what they would do, do it, and have nothing to do then', async () => {
    await configure({size: '320MiB'});
    const options = {components: ['blank_image'], target, volume};

    const before = await plan(options);
    expect(before.steps).toMatchObject([
      {step: 'base_image', action: 'hit', reasons: []},
      {step: 'blank_image', action: 'run', needs: ['base_image'], reasons: ['the volume does not exist yet']},
    ]);

    const result: BuildResult = await build(options);
    const names = ['rpi-raw.img.zip', 'rpi-raw.img.zip.sha256'];
    expect(result.volume).toBe(volume);
    expect(result.durationMs).toBeGreaterThan(0);
    expect(result.artifacts.map(({name}) => name)).toEqual(names);
    expect(result.delivered.map(({path, unchanged}) => [path, unchanged])).toEqual(
      names.map((name) => [join(target, name), false]),
    );
    for (const {path, sizeBytes} of result.delivered) expect((await stat(path)).size).toBe(sizeBytes);
    const [archive, digest] = await Promise.all(names.map((name) => readFile(join(target, name))));
    expect(archive?.subarray(0, 4).toString('latin1')).toBe('PK\u0003\u0004');
    expect(digest?.toString()).toBe(`${result.artifacts[0]?.sha256 ?? ''}  rpi-raw.img.zip\n`);

    expect((await plan(options)).steps).toMatchObject([{action: 'hit'}, {action: 'hit'}]);

    const events: PipelineEvent[] = [];
    const again = await build({...options, verbosity: 'debug', onEvent: (event) => events.push(event)});
    expect(again.artifacts).toEqual(result.artifacts);
    expect(again.delivered.map(({unchanged}) => unchanged)).toEqual([true, true]);
    expect(events.filter(({type}) => type === 'step-output' || type === 'step-progress')).toEqual([]);
    expect(await leftovers(volume)).toEqual([]);
  });

  it('explain a rebuild by the field that has changed', async () => {
    await configure({size: '320MiB'});
    await build({target, volume});
    await configure({size: '384MiB'});

    const {steps} = await plan({target, volume});
    expect(steps.find(({step}) => step === 'blank_image')?.reasons).toContain(
      `blank_image.size "${320 * mebibyte}" → "${384 * mebibyte}"`,
    );
  });

  it('write down what the artifacts were made from', async () => {
    await configure({size: '320MiB'});
    const {artifacts} = await build({target, volume});
    const base = await testBaseImage();
    const record = JSON.parse(await readFile(join(target, 'build.json'), 'utf8')) as {steps: unknown[]};
    expect(record).toMatchObject({
      source_date_epoch: base.archiveDate,
      base_image: {identity: base.identity},
      configs: {root_fs: {hostname: 'black-pearl'}},
      steps: [{step: 'blank_image', artifacts: artifacts.map(({name, sha256}) => ({name, sha256}))}],
    });
    expect(JSON.stringify(record)).not.toContain('"hypriot"');
  });

  it('make the same bytes in another volume', async () => {
    await configure({size: '320MiB'});
    const first = await build({target, volume});
    await removeVolume(volume);
    const second = await build({target, volume});
    expect(second.artifacts).toEqual(first.artifacts);
  });

  it('say with a code why nothing could be begun', async () => {
    process.env['SOURCE_DATE_EPOCH'] = '12';
    try {
      await expect(build({target, volume})).rejects.toMatchObject({name: 'PipelineError', code: 'USAGE'});
    } finally {
      delete process.env['SOURCE_DATE_EPOCH'];
    }
    await expect(build({volume, components: ['blank_imgae']})).rejects.toMatchObject({
      code: 'USAGE',
      hint: 'Did you mean "blank_image"?',
    });
    await expect(build({volume, jobs: 0})).rejects.toMatchObject({code: 'USAGE'});
    await expect(build({host: 'unix:///nowhere.sock'})).rejects.toMatchObject({code: 'ENGINE_UNREACHABLE'});
  });

  it('fail with the failure of base_image when the image that the user names cannot be had', async () => {
    await expect(build({volume, image: '127.0.0.1:9/none:1'})).rejects.toMatchObject({
      name: 'PipelineError',
      code: 'BUILD_FAILED',
      failures: [{step: 'base_image', reason: 'image-build-failed'}],
    });
  });

  it('stop when the signal says so', async () => {
    await configure({size: '512GiB'});
    const abort = new AbortController();
    const events: PipelineEvent[] = [];
    const running = build({
      target,
      volume,
      verbosity: 'info',
      signal: abort.signal,
      onEvent: (event) => {
        events.push(event);
        if (event.type === 'step-progress' && event.message === 'running') abort.abort();
      },
    });
    await expect(running).rejects.toMatchObject({code: 'INTERRUPTED'});
    expect(events.at(-1)).toMatchObject({type: 'run-finished', outcome: 'interrupted'});
    expect(await leftovers(volume)).toEqual([]);
    expect(await readdir(target)).toEqual(['configs.json']);
  });
});

describe('the base image', () => {
  it('is made once and found from then on', async () => {
    const events: PipelineEvent[] = [];
    const first = await ensureImage();
    const second = await ensureImage({onEvent: (event) => events.push(event)});
    expect(second).toBe(first);
    expect(events).toEqual([]);
    const docker = await engine();
    const {Config: config} = await docker.getImage(first).inspect();
    expect(config.Labels).toMatchObject({'org.hypriotkit.image': 'base_image'});
  });

  it('is refused when the image that the user names is none', async () => {
    await expect(ensureImage({image: 'hypriotkit/scratch:1'})).rejects.toMatchObject({
      code: 'IMAGE_UNAVAILABLE',
      message: expect.stringContaining('no hypriotkit base image') as string,
    });
  });

  it('can be one that the user names', async () => {
    const base = await testBaseImage();
    const docker = await engine();
    await docker.getImage(base.reference).tag({repo: 'hypriotkit-test/mine', tag: '1'});
    expect(await ensureImage({image: 'hypriotkit-test/mine:1'})).toBe('hypriotkit-test/mine:1');
  });

  it('is forgotten, with the Debian that it was made from, and nothing else', async () => {
    const base = await testBaseImage();
    const docker = await engine();
    await using session = await openForeignSession();
    const configs = defaultConfigs();
    const named = {...configs, base_image: {...configs.base_image, image: 'hypriotkit-test/base:latest'}};
    for (const [repo, tag] of [
      ['hypriotkit-test/base', 'latest'],
      ['hypriotkit/debian', 'trixie-hypriotkit-test'],
    ] as const) {
      await docker.getImage(base.reference).tag({repo, tag});
    }

    await forgetBaseImage(session, named);

    expect(await session.images.find('hypriotkit-test/base:latest')).toBeUndefined();
    expect(await session.images.find('hypriotkit/debian:trixie-hypriotkit-test')).toBeUndefined();
    expect(await session.images.find(base.reference)).toBeDefined();
  });
});

it('doctor finds nothing wrong with an engine on which builds work', async () => {
  const checks = await doctor();
  expect(checks.filter(({status}) => status === 'failed')).toEqual([]);
  expect(checks.map(({name}) => name)).toEqual([
    'Node.js',
    'Docker engine',
    'Memory',
    'Base image',
    'arm64 programs',
  ]);
  expect(await doctor({host: 'unix:///nowhere.sock'})).toContainEqual(
    expect.objectContaining({name: 'Docker engine', status: 'failed'}),
  );
});

describe('boot', () => {
  it('refuses what is no disk image', async () => {
    const path = join(target, 'text.img');
    await writeFile(path, 'no image'.repeat(1000));
    await expect(bootImage({image: path, volume})).rejects.toMatchObject({
      code: 'USAGE',
      message: `${path} is not a disk image`,
    });
    const zip = join(target, 'image.img.zip');
    await writeFile(zip, 'PK'.repeat(1000));
    await expect(bootImage({image: zip, volume})).rejects.toMatchObject({
      code: 'USAGE',
      hint: 'It is compressed: name the plain .img.',
    });
    await expect(bootImage({image: join(target, 'absent.img'), volume})).rejects.toMatchObject({
      code: 'USAGE',
    });
    await expect(bootImage({volume})).rejects.toMatchObject({
      code: 'USAGE',
      message: 'there is no image to boot: none is named, and the volume holds none',
    });
    expect(await leftovers(volume)).toEqual([]);
  });

  it('says what an image lacks that has partitions and nothing in them', async () => {
    const path = join(target, 'empty.img');
    const sector = Buffer.alloc(512);
    // One partition: type FAT32, from sector 8192, 16384 sectors.
    sector.writeUInt8(0x0c, 446 + 4);
    sector.writeUInt32LE(8192, 446 + 8);
    sector.writeUInt32LE(16384, 446 + 12);
    sector.writeUInt16BE(0x55aa, 510);
    await writeFile(path, Buffer.concat([sector, Buffer.alloc(64 * mebibyte - 512)]));
    const before = await stat(path);

    const error = await bootImage({image: path, volume}).catch((thrown: unknown) => thrown as PipelineError);

    expect(error).toBeInstanceOf(PipelineError);
    expect(error).toMatchObject({code: 'BOOT_FAILED'});
    expect((error as PipelineError).message).toContain('config.txt');
    expect((await stat(path)).mtimeMs).toBe(before.mtimeMs);
    expect(await leftovers(volume)).toEqual([]);
    expect(await inVolume(volume, 'find . -name image.img')).toBe('');
  });
});
