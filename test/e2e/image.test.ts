import {createHash} from 'node:crypto';
import {createReadStream} from 'node:fs';
import {mkdtemp, readFile, readdir, rm, stat, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {pipeline} from 'node:stream/promises';
import {afterAll, beforeAll, describe, expect, it} from 'vitest';
import {hypriotkit as launcher, run, type Finished} from './command.ts';
import {greeting, helloImage} from './hello-image.ts';
import {textOf, withImage} from './image-content.ts';
import {networkCheck} from './network-check.ts';
import {LoopbackRegistry} from '../unit/api/registry/loopback-registry.ts';

/** The volume is of these tests alone, so that they build everything and leave nothing. */
const volume = `hypriotkit-e2e-${process.pid}`;
const packageVolume = `${volume}-packages`;
const volumes = ['--volume', volume, '--package-volume', packageVolume];
const image = 'hypriotos-rpi64-latest.img';

let target: string;
let built: Finished;
/** Name of the Docker image that the card has, in a registry that is there for the first build only. */
let preloaded: string;

/** The product, with a cache of downloads that is of these tests alone, too. */
const hypriotkit = (args: readonly string[]) =>
  launcher(args, {env: {XDG_CACHE_HOME: join(target, '.cache')}});

/** Everything with its defaults, and a Docker image that compose starts. */
const configure = (rootFs: object = {}, blankImage: object = {}) =>
  writeFile(
    join(target, 'configs.json'),
    JSON.stringify({
      ...{base_image: {}, root_fs: rootFs, blank_image: blankImage, rpi_bootloader: {}, rpi_kernel: {}},
      rpi_sd_image: {preload: [preloaded], compose: 'compose.yaml'},
    }),
  );

beforeAll(async () => {
  target = await mkdtemp(join(tmpdir(), 'hypriotkit-e2e-'));
  await using registry = await LoopbackRegistry.start();
  registry.add('hello', '1', helloImage());
  preloaded = `${registry.host}/hello:1`;
  await configure();
  const compose = `services:\n  hello:\n    image: ${preloaded}\n    network_mode: none\n`;
  await writeFile(join(target, 'compose.yaml'), compose);
  built = await hypriotkit(['build', '--target', target, ...volumes, '--verbosity', 'debug']);
});

afterAll(async () => {
  await run('docker', ['volume', 'rm', '--force', volume, packageVolume]);
  await rm(target, {recursive: true, force: true});
});

async function sha256(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path, {highWaterMark: 1024 * 1024}), hash);
  return hash.digest('hex');
}

interface ProvenanceStep {
  readonly step: string;
  readonly fingerprint: string;
  readonly artifacts: readonly {readonly name: string; readonly sha256: string}[];
}

async function provenance(): Promise<{steps: ProvenanceStep[]; packages: Record<string, {name: string}[]>}> {
  return JSON.parse(await readFile(join(target, 'build.json'), 'utf8')) as Awaited<
    ReturnType<typeof provenance>
  >;
}

/** Which steps a run made, from its JSON lines. */
function builtSteps(finished: Finished): string[] {
  return finished.stdout
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as {type: string; step?: string; outcome?: string})
    .flatMap((event) =>
      event.type === 'step-finished' && event.outcome === 'built' ? [event.step ?? ''] : [],
    );
}

describe('hypriotkit build', () => {
  it('succeeds and prints where everything is', () => {
    expect(built.stderr.slice(-3000) + String(built.status)).toMatch(/0$/);
    expect(built.stdout).toContain(join(target, image));
  });

  it("delivers every component's artifacts under Hypriot's names", async () => {
    const written = ['.cache', 'compose.yaml', 'configs.json'];
    const names = (await readdir(target)).filter((name) => !written.includes(name)).sort();
    const kernels = names.filter((name) => name.endsWith('.config'));
    expect(kernels).toHaveLength(1);
    const release = String(kernels[0]).slice(0, -'.config'.length);
    const withDigest = [
      'bootfiles.tar.gz',
      image,
      `${image}.bmap`,
      `${image}.zip`,
      `${image}.zst`,
      'rootfs-arm64-debian-v1.0.0.tar.gz',
      'rpi-bootloader.tar.gz',
      'rpi-raw.img.zip',
      `${release}.tar.gz`,
    ];
    expect(names).toEqual(
      [
        ...withDigest.flatMap((name) => [name, `${name}.sha256`]),
        `${release}.config`,
        'build.json',
        'hypriotkit.lock',
      ].sort(),
    );
  });

  it('gives every file the digest that its companion and build.json say', async () => {
    const checked = await run('sh', ['-c', 'sha256sum --check --quiet *.sha256'], {cwd: target});
    expect(checked).toMatchObject({status: 0, stdout: ''});
    const {steps} = await provenance();
    const artifact = steps.flatMap((step) => step.artifacts).find((file) => file.name === image);
    expect(artifact?.sha256).toBe(await sha256(join(target, image)));
  });

  it('delivers a sparse image whose compressed forms hold the same bytes', async () => {
    const {size, blocks} = await stat(join(target, image));
    expect(size).toBe(2 * 1024 ** 3);
    expect(blocks * 512).toBeLessThan(size / 2);
    const digest = await sha256(join(target, image));
    const unpacked = await run(
      'sh',
      ['-c', `unzip -p ${image}.zip | sha256sum; zstd -dc ${image}.zst | sha256sum`],
      {cwd: target},
    );
    expect(unpacked.stdout).toBe(`${digest}  -\n${digest}  -\n`);
  });

  it('records the packages that went in, with their digests', async () => {
    const {packages} = await provenance();
    const names = (step: string) => packages[step]?.map((item) => item.name) ?? [];
    expect(names('root_fs.packages')).toEqual(expect.arrayContaining(['systemd', 'openssh-server', 'sudo']));
    expect(names('rpi_sd_image.docker')).toEqual(
      expect.arrayContaining(['docker.io', 'docker-compose', 'containerd']),
    );
    expect(names('rpi_bootloader')).toEqual(['raspi-firmware']);
    for (const item of Object.values(packages).flat()) {
      expect(item).toMatchObject({sha256: expect.stringMatching(/^[0-9a-f]{64}$/) as string});
    }
  });

  it('makes an image that has nothing of any one card, and no password as such', async () => {
    await withImage(join(target, image), async ({boot, root}) => {
      const text = (path: string) => textOf(root.get(path));
      expect([...root.keys()].filter((path) => path.startsWith('/etc/ssh/ssh_host_'))).toEqual([]);
      expect(await text('/etc/machine-id')).toBe('');
      expect(root.has('/var/lib/systemd/random-seed')).toBe(false);
      expect(root.has('/var/lib/hypriot/root-grown')).toBe(false);
      expect([...root.keys()].filter((path) => path.startsWith('/var/lib/cloud/instance'))).toEqual([]);
      expect(await text('/etc/shadow')).toMatch(/^root:\*:/m);
      expect(await text('/etc/shadow')).toMatch(/^pirate:\$6\$/m);
      const named = await textOf(boot.get('/user-data'));
      for (const content of [
        named,
        await text('/etc/shadow'),
        await text('/etc/cloud/cloud.cfg.d/90_hypriot.cfg'),
      ]) {
        expect(content).not.toMatch(/: *hypriot\b|:hypriot:/);
      }
    });
  });

  it('has what the first boot reads in the boot partition, and mounts by partition id', async () => {
    await withImage(join(target, image), async ({boot, root}) => {
      expect(await textOf(boot.get('/user-data'))).toMatch(/^#cloud-config\n/);
      expect(await textOf(boot.get('/meta-data'))).toMatch(/^instance-id: \S+$/m);
      expect(await textOf(boot.get('/network-config'))).toMatch(/^network:\n {2}version: 2$/m);
      const cmdline = (await textOf(boot.get('/cmdline.txt'))) ?? '';
      const [, id] = / root=PARTUUID=([0-9a-f]{8})-02 /.exec(cmdline) ?? [];
      expect(await textOf(root.get('/etc/fstab'))).toMatch(
        new RegExp(`^PARTUUID=${id}-02 +/ .*\\nPARTUUID=${id}-01 +/boot/firmware `, 'm'),
      );
      expect(cmdline).toMatch(/ console=ttyS1,115200 .* cgroup_enable=memory /);
      expect(root.has('/usr/lib/firmware/brcm/brcmfmac43455-sdio.raspberrypi,4-model-b.txt')).toBe(true);
      expect(await textOf(root.get('/etc/nsswitch.conf'))).toMatch(/^hosts: .*mdns4_minimal .*resolve/m);
    });
  });

  it('leaves no container and no view behind', async () => {
    const left = await run('sh', [
      '-c',
      'docker ps -aq --filter label=org.hypriotkit.run; docker volume ls -q --filter label=org.hypriotkit.run',
    ]);
    expect(left.stdout).toBe('');
  });
});

describe('a second run with nothing changed', () => {
  it('builds nothing and leaves the files alone', async () => {
    const before = await stat(join(target, image));
    const again = await hypriotkit(['build', '--target', target, ...volumes, '--json']);
    expect(again.status).toBe(0);
    expect(builtSteps(again)).toEqual([]);
    expect((await stat(join(target, image))).mtimeMs).toBe(before.mtimeMs);
  });
});

describe('a Docker image of a registry', () => {
  it('lies in the card by its digest, which the lock has', async () => {
    const lock = JSON.parse(await readFile(join(target, 'hypriotkit.lock'), 'utf8')) as {
      images: Record<string, {digest: string}>;
    };
    const digest = `sha256:${createHash('sha256').update(helloImage().manifest).digest('hex')}`;
    expect(lock.images).toEqual({[preloaded]: {digest}});
    await withImage(join(target, image), async ({root}) => {
      const archives = [...root.keys()].filter((path) => /^\/var\/lib\/hypriot\/preload\/./.test(path));
      expect(archives).toEqual([`/var/lib/hypriot/preload/000-${digest.slice('sha256:'.length)}.tar`]);
      expect(await textOf(root.get('/etc/hypriot/compose.yaml'))).toContain(preloaded);
    });
  });
});

describe('hypriotkit boot', () => {
  it('boots the image twice to a login with the Docker engine running, and checks what it is asked to', async () => {
    const digest = await sha256(join(target, image));
    const assertions = [
      'docker-compose version || docker compose version',
      'sudo -n true',
      'test "$(id -un)" = pirate',
      // There is no network at all: what Docker runs is what the card brought.
      'test -z "$(ip route show default)"',
      `test "$(docker run --rm --network none ${preloaded})" = "${greeting}"`,
      `test "$(docker logs hypriot-hello-1 | tail -n 1)" = "${greeting}"`,
      'test -z "$(ls /var/lib/hypriot/preload)"',
      `sudo -n sh -c '${networkCheck()}'`,
      'false',
    ];
    const booted = await hypriotkit([
      'boot',
      ...['--target', target, '--volume', volume, '--boots', '2', '--json'],
      ...assertions.flatMap((command) => ['--assert', command]),
    ]);
    const result = JSON.parse(booted.stdout.trim().split('\n').at(-1) ?? '{}') as {
      result?: {assertions: {name: string; passed: boolean; output: string}[]};
      assertions?: {name: string; passed: boolean; output: string}[];
    };
    const checked = result.result?.assertions ?? result.assertions ?? [];
    const everyTime = [
      'all units have been started',
      'no systemd unit has failed',
      'cloud-init is done, without errors and warnings',
      'the Docker engine is active',
      'the host name is black-pearl',
      "the root file system is the card's second partition",
      'the root file system has grown to the size of the card',
      'the clock is not before the date of the image',
    ];
    const afterwards = [
      'a sign of life for the next boot',
      'memory can be limited',
      'root cannot log in',
      'names of .local are answered',
      'machine id and SSH host keys are made once',
      'what is done at the first boot is done once',
      ...assertions,
    ];
    expect(
      checked.map(({name, passed}) => [name, passed]),
      booted.stdout.slice(-3000) + booted.stderr.slice(-3000),
    ).toEqual(
      [
        ...everyTime,
        ...afterwards,
        ...[...everyTime, 'the clock goes on after a restart', ...afterwards].map(
          (name) => `boot 2: ${name}`,
        ),
      ].map((name) => [name, !name.endsWith('false')]),
    );
    // One assertion does not hold: the boot as a whole has failed.
    expect(booted.status).toBe(1);
    // The image itself was only read.
    expect(await sha256(join(target, image))).toBe(digest);
  });

  it('gives up after its time limit with the last lines of the console', async () => {
    const booted = await hypriotkit(['boot', join(target, image), '--volume', volume, '--timeout', '4']);
    expect(booted.status).toBe(1);
    expect(booted.stderr).toMatch(/does not boot: .*within 4 s/);
    expect(booted.stderr).toContain('The last lines of its console');
  });
});

describe('a changed host name', () => {
  it('runs only what it reaches, and says why', async () => {
    await configure({hostname: 'reef'});
    const options = ['--target', target, ...volumes];
    const planned = JSON.parse(
      (await hypriotkit(['plan', '--target', target, '--volume', volume, '--json'])).stdout,
    ) as {
      steps: {step: string; action: string; reasons: string[]}[];
    };
    const running = planned.steps.filter((step) => step.action === 'run');
    expect(running.map((step) => step.step)).toEqual(['root_fs', 'rpi_sd_image']);
    expect(running.map((step) => step.reasons)).toEqual([
      ['root_fs.hostname "black-pearl" → "reef"'],
      ['root_fs.hostname "black-pearl" → "reef"'],
    ]);
    const changed = await hypriotkit(['build', ...options, '--json']);
    expect(changed.status).toBe(0);
    expect(builtSteps(changed).sort()).toEqual(['root_fs', 'rpi_sd_image']);
  });
});

describe('content that is larger than its partition', () => {
  it('is named with the missing room, and the target stays as it is', async () => {
    const before = await sha256(join(target, image));
    await configure({}, {size: '640MiB'});
    const {status, stderr} = await hypriotkit(['build', '--target', target, ...volumes]);
    expect(status).toBe(1);
    expect(stderr).toMatch(/the root partition is \d+ MiB too small for its content/);
    expect(stderr).toContain('Raise blank_image.size in configs.json by at least that much.');
    expect(await sha256(join(target, image))).toBe(before);
  });
});
