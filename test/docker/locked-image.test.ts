import {randomBytes} from 'node:crypto';
import {copyFile, mkdir, mkdtemp, readFile, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterAll, beforeAll, beforeEach, describe, expect, it} from 'vitest';
import {build, PipelineError} from '../../api/index.ts';
import type {BuildOptions, BuildResult} from '../../api/options.ts';
import {run} from '../e2e/command.ts';
import {testBaseImage} from './engine.ts';

const id = `hypriotkit-test-locked-${randomBytes(4).toString('hex')}`;
/** The base image of these tests: nobody else's, so that it can be removed. */
const image = `${id}:latest`;
const packageVolume = `${id}-packages`;
const volumes = new Set<string>([packageVolume]);

let folder: string;
let base: string;
let first: BuildResult;
let locked: {content: string; sha256: string; size: number};

async function docker(...args: string[]): Promise<string> {
  const {status, stdout, stderr} = await run('docker', args);
  if (status !== 0) throw new Error(`docker ${args.join(' ')}: ${stderr}`);
  return stdout.trim();
}

/** Makes an image of the real base image that a script has changed. */
async function makeImage(script: string, ...labels: string[]): Promise<void> {
  const container = `${id}-${randomBytes(4).toString('hex')}`;
  await docker('run', '--network', 'none', '--name', container, '--entrypoint', 'sh', base, '-euc', script);
  const changes = labels.flatMap((text) => ['--change', `LABEL ${text}`]);
  await docker('commit', ...changes, container, image);
  await docker('rm', container);
}

const makeOwnImage = () => makeImage('echo own >/own', `org.hypriotkit.identity=${id}`);

/** The image as a later Debian would give it: another version of one package. */
const makeNewerImage = () =>
  makeImage(
    `sed -i 's/^apt\\t[^\\t]*/apt\\t99/' /usr/share/hypriotkit/packages.tsv`,
    `org.hypriotkit.identity=${id}-newer`,
    'org.hypriotkit.packages=newer',
  );

/** Removes the image and all that was made from it, so that the engine is like a new one. */
async function forgetImages(): Promise<void> {
  for (const identity of [id, `${id}-newer`]) {
    const found = await docker('images', '-q', '--filter', `label=org.hypriotkit.identity=${identity}`);
    const ids = [...new Set(found.split('\n').filter(Boolean))];
    if (ids.length > 0) await docker('rmi', '--force', ...ids);
  }
  expect(await docker('images', '-q', image)).toBe('');
}

/** Builds one small component in a fresh volume and target, with the lock of the first build. */
async function buildIn(name: string, options: Partial<BuildOptions>): Promise<BuildResult> {
  const target = join(folder, name);
  await mkdir(target, {recursive: true});
  if (name !== 'first') {
    await copyFile(join(folder, 'first/hypriotkit.lock'), join(target, 'hypriotkit.lock')).catch(
      (error: unknown) => {
        if (options.lockFile === undefined) throw error;
      },
    );
  }
  volumes.add(`${id}-${name}`);
  volumes.add(options.packageVolume ?? packageVolume);
  const given = {target, volume: `${id}-${name}`, packageVolume, image, components: ['blank_image']};
  return build({...given, ...options});
}

async function failureOf(building: Promise<BuildResult>): Promise<PipelineError> {
  const error: unknown = await building.then(
    () => new Error('it succeeded'),
    (reason: unknown) => reason,
  );
  if (!(error instanceof PipelineError)) throw error;
  return error;
}

const digests = ({artifacts}: BuildResult) => artifacts.map(({name, sha256}) => [name, sha256]);

/** Runs a script in the folder of the kept images. */
async function inImages(script: string): Promise<string> {
  const mount = `${packageVolume}:/packages`;
  const shell = ['--network', 'none', '--entrypoint', 'sh', base, '-euc'];
  return docker(
    'run',
    '--rm',
    '--volume',
    mount,
    ...shell,
    `cd /packages/.hypriotkit/packages/images; ${script}`,
  );
}

beforeAll(async () => {
  base = (await testBaseImage()).reference;
  folder = await mkdtemp(join(tmpdir(), `${id}-`));
  await makeOwnImage();
  first = await buildIn('first', {});
  const lock = JSON.parse(await readFile(join(folder, 'first/hypriotkit.lock'), 'utf8')) as {
    base_image: {architectures: Record<string, {image: typeof locked; packages: {sha256?: string}[]}>};
  };
  const [tools] = Object.values(lock.base_image.architectures);
  if (tools === undefined) throw new Error('the lock has no base image');
  locked = tools.image;
  expect(tools.packages.length).toBeGreaterThan(100);
  expect(tools.packages.filter(({sha256}) => sha256 === undefined)).toEqual([]);
});

beforeEach(forgetImages);

afterAll(async () => {
  await forgetImages();
  await run('docker', ['volume', 'rm', '--force', ...volumes]);
  await rm(folder, {recursive: true, force: true});
});

describe('an engine without the base image', () => {
  it('gets that of the lock from the package volume, without a network', async () => {
    expect(digests(await buildIn('offline', {offline: true}))).toEqual(digests(first));
    const tag = `hypriotkit/base_image:locked-${locked.content.slice(0, 16)}`;
    const label = await docker(
      'inspect',
      '--format',
      '{{index .Config.Labels "org.hypriotkit.identity"}}',
      tag,
    );
    expect(label).toBe(id);
    // Now the engine has it: the next one does not need the volume.
    const again = buildIn('again', {offline: true, packageVolume: `${id}-none`});
    expect(digests(await again)).toEqual(digests(first));
  });

  it('is told what is missing when the package volume does not have it', async () => {
    const error = await failureOf(buildIn('absent', {offline: true, packageVolume: `${id}-empty`}));
    expect(error.failures).toMatchObject([
      {
        step: 'base_image',
        message: `the engine does not have the base image, and the package volume ${id}-empty does not have that of the lock; --offline forbids to make it`,
        hint: expect.stringContaining('bring the package volume') as string,
      },
    ]);
  });
});

describe('an engine whose Debian has moved on', () => {
  beforeEach(makeNewerImage);

  it.each([{locked: true}, {}])('builds with the image of the lock, %j', async (options) => {
    const name = `moved-${String(options.locked)}`;
    expect(digests(await buildIn(name, options))).toEqual(digests(first));
    const {base_image: used} = JSON.parse(await readFile(join(folder, name, 'build.json'), 'utf8')) as {
      base_image: {identity: string};
    };
    expect(used.identity).toBe(id);
  });

  it('is told what differs when the image of the lock is nowhere', async () => {
    const error = await failureOf(buildIn('moved-absent', {locked: true, packageVolume: `${id}-empty`}));
    expect(error).toMatchObject({
      code: 'LOCK_DIFFERS',
      message: expect.stringMatching(/do not have the base image.*base_image: apt 3\S* → 99/) as string,
      hint: expect.stringContaining('hypriotkit upgrade') as string,
    });
  });
});

describe('a kept image', () => {
  it('of another content is refused, though its digest is what the lock says', async () => {
    // Named, and not: a name could be that of any image here.
    const scratch = await docker('inspect', '--format', '{{.Id}}', 'hypriotkit/scratch:1');
    for (const [index, what] of ['hypriotkit/scratch:1', scratch].entries()) {
      const file = join(folder, 'forged.tar');
      await docker('save', '--output', file, what);
      await run('gzip', ['--force', '--no-name', file]);
      const {stdout} = await run('sha256sum', [`${file}.gz`]);
      const sha256 = stdout.slice(0, 64);
      const carrier = await docker('create', '--volume', `${packageVolume}:/packages`, base);
      const path = `/packages/.hypriotkit/packages/images/${locked.content}.${sha256}.tar.gz`;
      await docker('cp', `${file}.gz`, `${carrier}:${path}`);
      await docker('rm', carrier);
      const text = await readFile(join(folder, 'first/hypriotkit.lock'), 'utf8');
      const lockFile = join(folder, `forged-${index}.lock`);
      await writeFile(lockFile, text.replace(locked.sha256, sha256));
      const error = await failureOf(buildIn(`forged-${index}`, {offline: true, lockFile}));
      expect(error.failures[0]?.message).toContain(
        index === 0 ? 'holds something else than one image without a name' : 'holds another image',
      );
      await inImages(`rm ${locked.content}.${sha256}.tar.gz`);
    }
  });

  it('is never loaded when it is damaged', async () => {
    await inImages('for file in *; do printf x >>"$file"; done');
    const error = await failureOf(buildIn('damaged', {offline: true}));
    expect(error.failures[0]?.message).toContain(
      `that of the lock is damaged in the package volume ${packageVolume}`,
    );
    expect(await docker('images', '-q', '--filter', `label=org.hypriotkit.identity=${id}`)).toBe('');
  });
});
