import {mkdir, mkdtemp, readFile, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterAll, beforeAll, describe, expect, it} from 'vitest';
import {ensureImage} from '../../api/index.ts';
import {hypriotkit, run, type Finished} from './command.ts';
import {ForeignArchive} from './foreign-archive.ts';

/** The volume is of these tests alone, so that they build everything and leave nothing. */
const volume = `hypriotkit-e2e-targets-${process.pid}`;
const volumes = ['--volume', volume, '--package-volume', `${volume}-packages`];

let folder: string;
let archive: ForeignArchive;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hypriotkit-e2e-targets-'));
  archive = await ForeignArchive.start(await ensureImage(), ['mips', 'armhf']);
  await archive.writeKey(join(folder, 'archive.asc'));
  await archive.writeKey(join(folder, 'stranger.asc'), 'stranger');
});

afterAll(async () => {
  await archive[Symbol.asyncDispose]();
  await run('docker', ['volume', 'rm', '--force', volume, `${volume}-packages`]);
  await rm(folder, {recursive: true, force: true});
});

/** Builds root_fs in a folder of its own. */
async function build(name: string, rootFs: Record<string, unknown>): Promise<Finished & {target: string}> {
  const target = join(folder, name);
  await mkdir(target);
  for (const key of ['archive.asc', 'stranger.asc'])
    await writeFile(join(target, key), await readFile(join(folder, key)));
  await writeFile(join(target, 'configs.json'), JSON.stringify({root_fs: {variant: 'apt', ...rootFs}}));
  return {...(await hypriotkit(['build', '--target', target, ...volumes])), target};
}

async function fileIn(target: string, artifact: string, path: string): Promise<string> {
  const {stdout, stderr, status} = await run('tar', ['-xOzf', join(target, artifact), `./${path}`]);
  if (status !== 0) throw new Error(stderr);
  return stdout;
}

describe('a target that Debian has', () => {
  it('builds amd64 with nothing but the essential packages', async () => {
    const {status, stderr, target} = await build('amd64', {target: 'amd64'});
    expect(stderr + String(status)).toMatch(/0$/);
    const installed = await fileIn(target, 'rootfs-amd64-v1.0.0.tar.gz', 'var/lib/dpkg/status');
    expect(installed).toMatch(/^Package: apt$/m);
    expect(installed).not.toMatch(/^Package: (systemd|openssh-server|passwd)$/m);
    expect(new Set(installed.match(/^Architecture: .*$/gm))).toEqual(
      new Set(['Architecture: amd64', 'Architecture: all']),
    );
    const listing = (await run('tar', ['-tvzf', join(target, 'rootfs-amd64-v1.0.0.tar.gz'), './etc/shadow']))
      .stdout;
    expect(listing).toMatch(/^-rw-r----- 0\/42 /);
  });
});

describe('a target that only another archive has', () => {
  it.each([
    ['mips', 'rootfs-mips-v1.0.0.tar.gz', 'mips'],
    ['armhf-raspbian', 'rootfs-armhf-raspbian-v1.0.0.tar.gz', 'armhf'],
  ])('%s builds from it, and trusts its key on the device, too', async (target, artifact, architecture) => {
    const mirror = archive.address;
    const keyring = 'archive.asc';
    const built = await build(target, {target, mirror, suite: 'test', keyring, packages: ['hello']});
    expect(built.stderr + String(built.status)).toMatch(/0$/);
    const installed = await fileIn(built.target, artifact, 'var/lib/dpkg/status');
    expect(installed).toMatch(new RegExp(`^Package: hello\\n(?:.+\\n)*Architecture: ${architecture}$`, 'm'));
    expect(await fileIn(built.target, artifact, 'etc/apt/sources.list')).toBe(
      `deb [signed-by=/etc/apt/keyrings/hypriotkit-mirror.asc] ${mirror}/ test main\n`,
    );
    expect(await fileIn(built.target, artifact, 'etc/apt/keyrings/hypriotkit-mirror.asc')).toBe(
      await readFile(join(folder, 'archive.asc'), 'utf8'),
    );
    const lock = JSON.parse(await readFile(join(built.target, 'hypriotkit.lock'), 'utf8')) as {
      components: {root_fs: {packages: {name: string; path: string}[]}};
    };
    expect(lock.components.root_fs.packages.find(({name}) => name === 'hello')?.path).toMatch(
      new RegExp(`^pool/${architecture}/hello_.*\\.deb$`),
    );
  });

  it('says so when no archive is named', async () => {
    const {status, stderr} = await build('none', {target: 'mips'});
    expect(status).toBe(2);
    expect(stderr).toContain('root_fs.mirror must be set for target mips: Debian has no such port');
    expect(stderr).toContain('root_fs.keyring must be set for target mips');
  });

  it('is not built from an archive that somebody else has signed', async () => {
    const {status, stderr} = await build('stranger', {
      target: 'mips',
      mirror: archive.address,
      suite: 'test',
      keyring: 'stranger.asc',
    });
    expect(status).toBe(1);
    expect(stderr).toMatch(new RegExp(`${archive.address}/? cannot be trusted`));
    expect(stderr).toContain('that keyring or apt_sources of root_fs in configs.json names');
  });

  it('is not found in an archive without that architecture', async () => {
    const {status, stderr} = await build('other', {
      target: 'i386',
      mirror: archive.address,
      suite: 'test',
      keyring: 'archive.asc',
    });
    expect(status).toBe(1);
    expect(stderr).toMatch(/has no test for i386|has no package/);
  });
});

describe('apt_sources', () => {
  it('add packages to those of the mirror, locked, and known to the device', async () => {
    const key = 'archive.asc';
    const source = {name: 'more', url: archive.address, suite: 'test', components: ['main'], key};
    const built = await build('sources', {
      target: 'amd64',
      apt_sources: [source],
      packages: ['from-test-archive'],
    });
    expect(built.stderr + String(built.status)).toMatch(/0$/);
    const artifact = 'rootfs-amd64-v1.0.0.tar.gz';
    expect(await fileIn(built.target, artifact, 'var/lib/dpkg/status')).toMatch(
      /^Package: from-test-archive$/m,
    );
    expect(await fileIn(built.target, artifact, 'etc/apt/sources.list.d/more.sources')).toBe(
      `Types: deb\nURIs: ${archive.address}\nSuites: test\nComponents: main\nSigned-By: /etc/apt/keyrings/more.asc\n`,
    );
    // All from the store and the package volume now.
    const again = await hypriotkit(['build', '--offline', '--target', built.target, ...volumes]);
    expect(again.stderr + String(again.status)).toMatch(/0$/);
  });
});

describe('docker_repo', () => {
  /** Resolves everything and builds nothing. */
  async function resolve(name: string, card: Record<string, unknown>): Promise<Finished & {target: string}> {
    const target = join(folder, name);
    await mkdir(target);
    await writeFile(join(target, 'archive.asc'), await readFile(join(folder, 'archive.asc')));
    const repo = {url: archive.address, key: 'archive.asc', suite: 'test', component: 'main'};
    const configs = {rpi_sd_image: {docker_repo: repo, ...card}};
    await writeFile(join(target, 'configs.json'), JSON.stringify(configs));
    return {...(await hypriotkit(['upgrade', '--target', target, ...volumes])), target};
  }

  it('gives the exact version that is asked for, by its short name, too', async () => {
    const {status, stderr, target} = await resolve('docker', {
      docker_engine_version: '28.5.0',
      docker_compose_version: 'latest',
    });
    expect(stderr + String(status)).toMatch(/0$/);
    const lock = JSON.parse(await readFile(join(target, 'hypriotkit.lock'), 'utf8')) as {
      components: {rpi_sd_image: {packages: {name: string; version: string}[]}};
    };
    const versions = new Map(lock.components.rpi_sd_image.packages.map(({name, version}) => [name, version]));
    expect(versions.get('docker-ce')).toBe('5:28.5.0-1~debian.13~trixie');
    expect(versions.get('docker-ce-cli')).toBe('5:28.5.0-1~debian.13~trixie');
    expect(versions.get('docker-compose-plugin')).toBe('2.40.0-1~debian.13~trixie');
    expect([...versions.keys()]).toContain('containerd.io');
    expect([...versions.keys()]).not.toContain('docker.io');
  });

  it('lists the versions that there are for one that is not', async () => {
    const {status, stderr} = await resolve('docker-unknown', {docker_engine_version: '27.0.0'});
    expect(status).toBe(1);
    expect(stderr).toContain(
      'the package archive has no docker-ce 27.0.0; it has: 5:28.5.0-1~debian.13~trixie 5:28.5.1-1~debian.13~trixie',
    );
    expect(stderr).toContain(
      'Set rpi_sd_image.docker_engine_version to one of these versions, or to "latest"',
    );
  });
});
