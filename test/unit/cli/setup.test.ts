import {createServer} from 'node:http';
import {once} from 'node:events';
import {mkdir, readFile} from 'node:fs/promises';
import {join} from 'node:path';
import {describe, expect, it} from 'vitest';
import {LauncherRig, type LauncherRun} from './launcher-rig.ts';

/** A checkout that is ready, on a machine with apt, run by root, without engine and mmdebstrap. */
async function freshMachine(): Promise<LauncherRig> {
  const rig = await LauncherRig.create();
  await rig.run('build');
  await rig.stub('apt-get', 'echo "the output of apt"');
  await rig.stub('id', 'case $* in -un) echo somebody ;; *) echo 0 ;; esac');
  return rig;
}

/** `apt-get install` brings the programs of its packages, as the real one does. */
async function aptInstalls(rig: LauncherRig, programs: Record<string, string>): Promise<void> {
  for (const [name, body] of Object.entries(programs)) {
    await rig.stub(`.${name}`, `echo "${name} $*" >>'${join(rig.folder, 'calls.log')}'\n${body}`);
  }
  const moves = Object.keys(programs).map((name) => `mv '${rig.bin}/.${name}' '${rig.bin}/${name}'`);
  await rig.stub('apt-get', `case $* in *' docker.io'*) ${moves.join('; ')} ;; esac`);
}

/** What was run and what was said, as one story: the stubs write their calls to stderr too. */
const story = ({stderr}: LauncherRun): string[] =>
  stderr.split('\n').filter((line) => /^(hypriotkit:|\[(apt-get|dockerd|systemctl|sudo|setsid))/.test(line));

const withoutId = (run: LauncherRun) => run.calls.filter((call) => !/^(id|\.)/.test(call));

describe('--setup', {timeout: 60_000}, () => {
  it('installs and starts an engine on a fresh machine, and says each thing before it does it', async () => {
    await using rig = await freshMachine();
    await aptInstalls(rig, {dockerd: rig.engineBody});
    const run = await rig.run('--setup', 'build', '--target', './out');
    expect(story(run)).toEqual([
      'hypriotkit: fetching the package lists: apt-get update',
      '[apt-get -o DPkg::Lock::Timeout=300 update -q]',
      'hypriotkit: installing the Docker engine: apt-get install -y --no-install-recommends docker.io ca-certificates',
      '[apt-get -o DPkg::Lock::Timeout=300 install -q -y --no-install-recommends docker.io ca-certificates]',
      `hypriotkit: starting the Docker engine (its log: ${rig.sysroot}/var/log/hypriotkit-dockerd.log): dockerd`,
      'hypriotkit: the Docker engine is running',
      'hypriotkit: installing mmdebstrap (makes the base image where no registry is reachable): ' +
        'apt-get install -y --no-install-recommends mmdebstrap debian-archive-keyring',
      '[apt-get -o DPkg::Lock::Timeout=300 install -q -y --no-install-recommends mmdebstrap debian-archive-keyring]',
    ]);
    expect(run.stdout).toBe('["build","--target","./out"]\n');
    expect(run.exitCode).toBe(0);
  });

  it('lets systemd start the engine where it runs', async () => {
    await using rig = await freshMachine();
    await mkdir(join(rig.sysroot, 'run/systemd/system'), {recursive: true});
    await rig.stub('dockerd');
    await rig.stub('systemctl', `(${rig.engineBody}) </dev/null >/dev/null 2>&1 &`);
    const run = await rig.run('doctor', '--setup');
    expect(story(run).slice(0, 3)).toEqual([
      'hypriotkit: starting the Docker engine: systemctl start docker',
      '[systemctl start docker]',
      'hypriotkit: the Docker engine is running',
    ]);
    expect(run.stdout).toBe('["doctor"]\n');
  });

  it('changes nothing where nothing is missing', async () => {
    await using rig = await freshMachine();
    await rig.stub('dockerd');
    await rig.stub('mmdebstrap');
    await rig.write('system/usr/share/keyrings/debian-archive-keyring.gpg', '');
    const engine = createServer((_request, response) => response.end('OK')).listen(rig.socket);
    await once(engine, 'listening');
    try {
      const run = await rig.run('--setup', 'build');
      expect(withoutId(run)).toEqual([]);
      expect(run.stderr.replaceAll(/^\[id.*\n/gm, '')).toBe('');
      expect(run.stdout).toBe('["build"]\n');
    } finally {
      engine.close();
    }
  });

  it('does not fetch package lists that are fresh', async () => {
    await using rig = await freshMachine();
    await rig.write('system/var/lib/apt/lists/mirror_trixie_main_Packages.lz4', '');
    await rig.write('system/etc/ssl/certs/ca-certificates.crt', '');
    await aptInstalls(rig, {dockerd: rig.engineBody});
    const {calls} = await rig.run('--setup', 'build');
    expect(calls.filter((call) => call.startsWith('apt-get'))).toEqual([
      'apt-get -o DPkg::Lock::Timeout=300 install -q -y --no-install-recommends docker.io',
      'apt-get -o DPkg::Lock::Timeout=300 install -q -y --no-install-recommends mmdebstrap debian-archive-keyring',
    ]);
  });

  it.each([
    [{DOCKER_HOST: 'tcp://10.0.0.4:2376'}, 'DOCKER_HOST=tcp://10.0.0.4:2376'],
    [{DOCKER_CONTEXT: 'remote'}, 'DOCKER_CONTEXT=remote'],
  ])('leaves the engine alone when the user points to another one: %j', async (env, name) => {
    await using rig = await freshMachine();
    Object.assign(rig.env, env);
    const run = await rig.run('--setup', 'build');
    expect(run.stderr).toContain(
      `hypriotkit: nothing is installed or started for the engine: ${name} points to another one\n`,
    );
    expect(withoutId(run).some((call) => /docker/.test(call))).toBe(false);
    expect(run.exitCode).toBe(0);
  });

  it('knows the current context of the docker command', async () => {
    await using rig = await freshMachine();
    await rig.write('home/.docker/config.json', '{"currentContext": "rootless"}');
    const {stderr} = await rig.run('--setup', 'build');
    expect(stderr).toContain('the Docker context rootless points to another one');
  });

  it('says what to install by hand on a machine without apt', async () => {
    await using rig = await LauncherRig.create();
    const {stderr, stdout, exitCode} = await rig.run('--setup', 'build');
    expect(stderr).toContain('no apt-get here: install a Docker engine (20.10 or newer) by hand, start it');
    expect([stdout, exitCode]).toEqual(['', 2]);
  });

  it('uses sudo when it is not root, and says so', async () => {
    await using rig = await freshMachine();
    await rig.stub('id', 'case $* in -un) echo somebody ;; *) echo 1000 ;; esac');
    await rig.stub('sudo', 'exec "$@"');
    await aptInstalls(rig, {dockerd: rig.engineBody});
    const run = await rig.run('--setup', 'build');
    expect(run.stderr).toContain('hypriotkit: fetching the package lists, as root: sudo apt-get update\n');
    expect(run.calls.filter((call) => call.startsWith('sudo'))).toHaveLength(4);
  });

  it('says what to run as root where there is no sudo', async () => {
    await using rig = await freshMachine();
    await rig.stub('id', 'case $* in -un) echo somebody ;; *) echo 1000 ;; esac');
    const run = await rig.run('--setup', 'build');
    expect(run.stderr).toContain('this needs root and there is no sudo; run as root: apt-get ');
    expect(run.exitCode).toBe(2);
    expect(withoutId(run)).toEqual([]);
  });

  it('shows the last lines of the log when the engine ends at once', async () => {
    await using rig = await freshMachine();
    await rig.stub('dockerd', 'echo "failed to start daemon: no space left" >&2; exit 1');
    const run = await rig.run('--setup', 'build');
    expect(run.stderr).toContain('hypriotkit: the Docker engine ended at once; the last lines of ');
    expect(run.stderr).toContain('    failed to start daemon: no space left\n');
    expect(run.exitCode).toBe(2);
  });

  it('gives up on an engine that does not answer', async () => {
    await using rig = await freshMachine();
    rig.env['HYPRIOTKIT_ENGINE_TIMEOUT'] = '1';
    await rig.stub('dockerd', 'echo "waiting for containerd"; sleep 5');
    const run = await rig.run('--setup', 'build');
    expect(run.stderr).toContain('the Docker engine does not answer after 1 seconds');
    expect(run.stderr).toContain('    waiting for containerd\n');
    expect(run.exitCode).toBe(2);
  });

  it('keeps the output of what it runs off stdout', async () => {
    await using rig = await freshMachine();
    rig.env['DOCKER_HOST'] = 'tcp://10.0.0.4:2376';
    const run = await rig.run('--setup', 'build');
    expect(run.stderr).toContain('the output of apt');
    expect(run.stdout).toBe('["build"]\n');
  });

  it('is taken from anywhere before a "--", and alone means doctor', async () => {
    await using rig = await freshMachine();
    rig.env['DOCKER_HOST'] = 'tcp://10.0.0.4:2376';
    expect((await rig.run('build', '--setup', '-t', 'a b')).stdout).toBe('["build","-t","a b"]\n');
    expect((await rig.run('--setup')).stdout).toBe('["doctor"]\n');
    const kept = await rig.run('build', '--', '--setup');
    expect(kept.stdout).toBe('["build","--","--setup"]\n');
    expect(kept.calls).toEqual([]);
  });

  it('names no registry and no mirror', async () => {
    for (const file of ['hypriotkit', 'cli/setup.sh', 'cli/prepare.sh', 'cli/lock.sh']) {
      const text = await readFile(new URL(`../../../${file}`, import.meta.url), 'utf8');
      expect(text).not.toMatch(/https?:|\.(com|org|net)\b|(?<!command )docker\.io\//);
    }
  });
});
