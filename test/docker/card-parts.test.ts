import {execFileSync} from 'node:child_process';
import {createHash} from 'node:crypto';
import {mkdtemp, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterAll, beforeAll, describe, expect, it, onTestFinished, vi} from 'vitest';
import {preloadSteps} from '../../api/components/preload.ts';
import {rpiSdImageSteps} from '../../api/components/rpi-sd-image.ts';
import type {Step} from '../../api/components/step.ts';
import {builtinBuildImages} from '../../api/engine/build-image.ts';
import {makeProbeProgram} from '../../api/engine/probe-program.ts';
import {ensureImage} from '../../api/index.ts';
import {defaultConfigs} from '../../configs/default-configs.ts';
import {digestOf, LoopbackRegistry, makeImage} from '../unit/api/registry/loopback-registry.ts';
import {removeTestThings} from './engine.ts';
import {TestMirror} from './mirror.ts';
import {Rig} from './rig.ts';

afterAll(removeTestThings);

const configsWith = (card: object) => {
  const configs = defaultConfigs();
  return {...configs, rpi_sd_image: {...configs.rpi_sd_image, ...card}};
};

describe('docker_machine_version', () => {
  const program = makeProbeProgram('arm64') ?? Buffer.alloc(0);
  const sha256 = (content: Buffer) => createHash('sha256').update(content).digest('hex');
  const options = {buildImages: builtinBuildImages()};

  let server: TestMirror;
  beforeAll(async () => {
    server = await TestMirror.start(await ensureImage());
  });
  afterAll(() => server[Symbol.asyncDispose]());

  function machineStep(url: string, digest: string): Step {
    const configs = configsWith({
      docker_machine_version: '0.16.2',
      docker_machine_url: url,
      docker_machine_sha256: digest,
    });
    const step = rpiSdImageSteps(configs).find(({name}) => name === 'rpi_sd_image.machine');
    if (step === undefined) throw new Error('there is no step for Docker Machine');
    // Not the name that users' images have.
    return {...step, imageName: 'hypriotkit-test/tool:latest'};
  }

  it('is downloaded from the address with its version in it, and has the digest that is asked for', async () => {
    await using rig = new Rig();
    await server.put('machine-0.16.2', program);
    const step = machineStep(`${server.address}/machine-{version}`, sha256(program));
    const entry = await rig.make(step, options);
    expect(entry.files).toMatchObject([{name: 'docker-machine', sha256: sha256(program)}]);
  });

  it('is refused with another digest, for another machine, and where it is not', async () => {
    await using rig = new Rig();
    const url = await server.put('machine', program);
    const wrong = 'a'.repeat(64);
    expect(await rig.fail([machineStep(url, wrong)], 'rpi_sd_image.machine', options)).toMatchObject({
      code: 'DOWNLOAD_WRONG',
      message: `${url} has the SHA-256 ${sha256(program)} and not ${wrong}`,
      hint: expect.stringContaining('rpi_sd_image.docker_machine_sha256') as string,
    });
    const foreign = makeProbeProgram('amd64') ?? Buffer.alloc(0);
    const other = await server.put('other', foreign);
    expect(
      await rig.fail([machineStep(other, sha256(foreign))], 'rpi_sd_image.machine', options),
    ).toMatchObject({
      code: 'DOWNLOAD_WRONG',
      message: `${other} is no program for 64-bit ARM`,
    });
    const absent = `${server.address}/absent`;
    expect(await rig.fail([machineStep(absent, wrong)], 'rpi_sd_image.machine', options)).toMatchObject({
      code: 'DOWNLOAD_FAILED',
      message: expect.stringContaining(`cannot download ${absent}: `) as string,
    });
  });
});

describe('preload', () => {
  it('fetches images of a registry as archives that an engine loads under their names', async () => {
    const cache = await mkdtemp(join(tmpdir(), 'hypriotkit-test-cache-'));
    vi.stubEnv('XDG_CACHE_HOME', cache);
    onTestFinished(async () => {
      vi.unstubAllEnvs();
      await rm(cache, {recursive: true});
    });
    await using registry = await LoopbackRegistry.start();
    const image = makeImage(['base', 'app']);
    registry.add('hypriotkit-test/web', '1', image);
    const name = `${registry.host}/hypriotkit-test/web:1`;
    const [step] = preloadSteps(configsWith({preload: [name]}), new Map([[name, digestOf(image.manifest)]]));
    if (step === undefined) throw new Error('there is nothing to fetch');
    await using rig = new Rig();
    const entry = await rig.make(step);
    const file = entry.files[0]?.name ?? '';
    expect(file).toBe(`000-${digestOf(image.manifest).slice('sha256:'.length)}.tar`);

    const docker = (...args: string[]) => execFileSync('docker', args, {encoding: 'utf8'}).trim();
    const path = `/volume/.hypriotkit/entries/${entry.fingerprint}/${file}`;
    const reader = ['run', '--rm', '--network', 'none', '--volume', `${rig.volume}:/volume:ro`];
    const archive = execFileSync('docker', [...reader, await ensureImage(), 'cat', path]);
    execFileSync('docker', ['load', '--quiet'], {input: archive, stdio: ['pipe', 'pipe', 'pipe']});
    onTestFinished(() => void docker('rmi', name));
    const format = '{{.Architecture}} {{json .RootFS.Layers}}';
    expect(docker('image', 'inspect', '--format', format, name)).toBe(
      `arm64 ${JSON.stringify(image.diffIds)}`,
    );

    // Its blobs are there: nothing is asked for again, and nothing is fetched where the store has it.
    const asked = registry.requests.length;
    expect((await rig.make(step)).fingerprint).toBe(entry.fingerprint);
    expect(registry.requests).toHaveLength(asked);
  });
});
