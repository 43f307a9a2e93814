import {spawn} from 'node:child_process';
import {copyFile, mkdir, mkdtemp, readFile, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {setTimeout} from 'node:timers/promises';
import {afterAll, beforeAll, describe, expect, it} from 'vitest';
import {build, ensureImage, PipelineError, plan, type PipelineEvent} from '../../api/index.ts';
import type {BuildOptions, BuildResult} from '../../api/options.ts';
import {parseVolumeReference} from '../../api/engine/volume-reference.ts';
import {relock} from '../../api/pipeline/relock.ts';
import {run} from '../e2e/command.ts';
import {TestMirror} from './mirror.ts';

const prefix = `hypriotkit-test-lock-${process.pid}`;
const volumes = new Set<string>();
let mirror: TestMirror;
let folder: string;
let first: BuildResult;

/** A volume of these tests; each name is a fresh one. */
function volume(name: string): string {
  volumes.add(`${prefix}-${name}`);
  return `${prefix}-${name}`;
}

/** The same mirror under another address: for the lock, another request. */
const otherAddress = () => mirror.address.replace('/debian', '//debian');

/** A target with the configuration, and with the lock of the first build unless it is the first. */
async function target(name: string, address = mirror.address): Promise<string> {
  const path = join(folder, name);
  await mkdir(path, {recursive: true});
  const configs = {base_image: {mirror: address}, rpi_bootloader: {}};
  await writeFile(join(path, 'configs.json'), JSON.stringify(configs));
  if (name !== 'first') await copyFile(join(folder, 'first/hypriotkit.lock'), join(path, 'hypriotkit.lock'));
  return path;
}

/** Builds in a fresh volume: nothing but lock and package volume can help. */
async function buildIn(
  name: string,
  packages: string,
  {address, ...options}: Partial<BuildOptions> & {address?: string} = {},
): Promise<BuildResult> {
  return build({
    target: await target(name, address),
    volume: volume(name),
    packageVolume: volume(packages),
    image: mirror.image,
    components: ['rpi_bootloader'],
    ...options,
  });
}

/** The engine's events of one kind from `since` on, one line each, until `stop`. */
function watch(since: string, format: string, ...filters: string[]): {stop: () => Promise<string[]>} {
  const options = filters.flatMap((filter) => ['--filter', filter]);
  const child = spawn('docker', ['events', '--since', since, '--format', format, ...options]);
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  return {
    stop: async () => {
      // The engine hands its events out a moment after what they tell of.
      await setTimeout(1000);
      child.kill();
      return text.split('\n').filter(Boolean);
    },
  };
}

const digests = ({artifacts}: BuildResult) => artifacts.map(({name, sha256}) => [name, sha256]);

/** The failure of the one step that failed. */
async function failureOf(building: Promise<BuildResult>) {
  const error: unknown = await building.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(PipelineError);
  return (error as PipelineError).failures[0];
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), `${prefix}-`));
  mirror = await TestMirror.start(await ensureImage());
  await mirror.publish('1.0');
  first = await buildIn('first', 'packages');
  // Moves on: 1.0 is still in the pool, but no list names it any more.
  await mirror.publish('2.0');
});

afterAll(async () => {
  await mirror[Symbol.asyncDispose]();
  await run('docker', ['volume', 'rm', '--force', ...volumes]);
  await rm(folder, {recursive: true, force: true});
});

describe('a build without a lock', () => {
  it('writes one beside configs.json that names the package, its digest and where it was', async () => {
    const lock = JSON.parse(await readFile(join(folder, 'first/hypriotkit.lock'), 'utf8')) as {
      components: {rpi_bootloader: {packages: unknown[]}};
    };
    expect(lock.components.rpi_bootloader.packages).toEqual([
      {
        name: 'raspi-firmware',
        version: '1.0',
        architecture: 'all',
        sha256: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
        size: expect.any(Number) as number,
        path: 'pool/f/raspi-firmware_1.0_all.deb',
      },
    ]);
  });

  it('leaves nothing to do for the next one, which uses the lock', async () => {
    const options = {volume: volume('first'), image: mirror.image, components: ['rpi_bootloader']};
    const {steps} = await plan({...options, target: join(folder, 'first')});
    expect(steps.map(({step, action}) => [step, action])).toEqual([
      ['base_image', 'hit'],
      ['rpi_bootloader.resolve', 'hit'],
      ['rpi_bootloader', 'hit'],
    ]);
  });
});

describe('--locked', () => {
  it('fetches what the lock names, though the mirror has something newer, and makes the same bytes', async () => {
    const locked = await buildIn('locked', 'other-packages', {locked: true});
    expect(digests(locked)).toEqual(digests(first));
  });

  it('does not change the lock', async () => {
    const read = (name: string) => readFile(join(folder, name, 'hypriotkit.lock'), 'utf8');
    expect(await read('locked')).toBe(await read('first'));
  });

  it('refuses what the lock does not say, before anything is built', async () => {
    const path = await target('changed');
    await writeFile(join(path, 'configs.json'), '{"rpi_bootloader": {}, "rpi_kernel": {}}');
    await expect(build({target: path, volume: volume('changed'), locked: true})).rejects.toMatchObject({
      code: 'LOCK_DIFFERS',
      message: expect.stringMatching(
        /base_image\.mirror "http.*" → "".*rpi_kernel is not in the lock/,
      ) as string,
    });
  });

  it('needs a lock', async () => {
    const options = {target: join(folder, 'none'), volume: volume('none')};
    await expect(build({...options, locked: true})).rejects.toMatchObject({code: 'LOCK_MISSING'});
    await expect(build({volume: volume('none'), offline: true})).rejects.toMatchObject({
      code: 'LOCK_MISSING',
    });
  });
});

describe('a configuration that asks for something else than the lock', () => {
  it('is resolved again, keeps the locked versions, and changes the lock', async () => {
    const events: PipelineEvent[] = [];
    const changed = await buildIn('extended', 'packages', {
      address: otherAddress(),
      verbosity: 'info',
      onEvent: (event) => events.push(event),
    });
    expect(digests(changed)).toEqual(digests(first));
    const lock = await readFile(join(folder, 'extended/hypriotkit.lock'), 'utf8');
    expect(lock).toContain(`"MIRROR": "${otherAddress()}"`);
    expect(lock).toContain('"version": "1.0"');
    expect(lock).toContain('"path": "pool/f/raspi-firmware_1.0_all.deb"');
    expect(events.filter((event) => event.type === 'notice').map(({message}) => message)).toEqual([
      expect.stringMatching(/^the lock is extended: base_image\.mirror/) as string,
      `updated ${join(folder, 'extended/hypriotkit.lock')}`,
    ]);
  });
});

describe('a package that has left the mirror', () => {
  beforeAll(() => mirror.drop('1.0'));

  it('is taken from the package volume', async () => {
    expect(digests(await buildIn('gone', 'packages', {locked: true}))).toEqual(digests(first));
  });

  it('is named when the package volume does not have it', async () => {
    expect(await failureOf(buildIn('gone-empty', 'empty', {locked: true}))).toMatchObject({
      code: 'PACKAGE_GONE',
      message: expect.stringContaining('raspi-firmware 1.0 (all)') as string,
      hint: expect.stringContaining('hypriotkit upgrade') as string,
    });
  });
});

describe('a locked version that nobody has any more', () => {
  it('is replaced when the configuration changes anyway, with a warning', async () => {
    const events: PipelineEvent[] = [];
    await buildIn('replaced', 'empty', {
      address: otherAddress(),
      verbosity: 'info',
      onEvent: (event) => events.push(event),
    });
    const warnings = events.flatMap((event) =>
      event.type === 'notice' && event.level === 'warning' ? [event.message] : [],
    );
    expect(warnings).toEqual([
      'rpi_bootloader: the locked versions of raspi-firmware cannot be had any more; others are taken',
    ]);
    expect(await readFile(join(folder, 'replaced/hypriotkit.lock'), 'utf8')).toContain('"version": "2.0"');
  });
});

describe('upgrade', () => {
  it('locks what the mirror has now, and says what changed', async () => {
    const path = await target('upgraded');
    const options = {target: path, volume: volume('upgraded'), packageVolume: volume('packages')};
    const relocked = await relock({...options, image: mirror.image});
    expect(relocked).toEqual({
      file: join(path, 'hypriotkit.lock'),
      changes: ['rpi_bootloader: raspi-firmware 1.0 → 2.0'],
    });
    const upgraded = await build({
      ...options,
      image: mirror.image,
      locked: true,
      components: ['rpi_bootloader'],
    });
    expect(digests(upgraded)).not.toEqual(digests(first));
  });
});

describe('--offline', () => {
  beforeAll(() => mirror.stop());

  it('makes the same bytes from the lock and the package volume, in containers without a route', async () => {
    // From the engine's own clock on, so that nothing is missed before the watchers are there.
    const {stdout: since} = await run('docker', ['info', '--format', '{{.SystemTime}}']);
    const {id} = parseVolumeReference(volume('offline'));
    const creations = watch(
      since.trim(),
      '{{.ID}}',
      ...['type=container', 'event=create', `label=org.hypriotkit.volume=${id}`],
    );
    const connections = watch(
      since.trim(),
      '{{.Actor.Attributes.container}} {{.Actor.Attributes.name}}',
      ...['type=network', 'event=connect'],
    );
    const offline = await buildIn('offline', 'packages', {offline: true});
    const [created, connected] = await Promise.all([creations.stop(), connections.stop()]);
    expect(digests(offline)).toEqual(digests(first));
    const networks = created.flatMap((container) =>
      connected.filter((line) => line.startsWith(container)).map((line) => line.split(' ')[1]),
    );
    // The attendant and the step, at least; an idle container is connected to nothing at all.
    expect(networks.length).toBeGreaterThanOrEqual(2);
    expect([...new Set(networks)]).toEqual(['none']);
  });

  it('names what the package volume does not have', async () => {
    expect(await failureOf(buildIn('offline-empty', 'empty', {offline: true}))).toMatchObject({
      reason: 'packages-missing',
      packages: ['raspi-firmware 1.0 (all)'],
    });
  });

  it('finds a damaged package by its digest, removes it and names it', async () => {
    await run('docker', [
      ...['run', '--rm', '--network', 'none', '--volume', `${volume('packages')}:/p`, '--entrypoint', 'sh'],
      ...[mirror.image, '-c', 'for deb in /p/.hypriotkit/packages/sha256/*.deb; do printf x >>"$deb"; done'],
    ]);
    const events: PipelineEvent[] = [];
    const options = {
      offline: true,
      verbosity: 'info',
      onEvent: (event: PipelineEvent) => events.push(event),
    } as const;
    expect(await failureOf(buildIn('damaged', 'packages', options))).toMatchObject({
      packages: ['raspi-firmware 1.0 (all)'],
    });
    expect(events.filter((event) => event.type === 'notice').map(({message}) => message)).toEqual([
      expect.stringContaining('raspi-firmware in the package volume') as string,
    ]);
  });
});
