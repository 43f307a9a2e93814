import {mkdtemp, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {describe, expect, it, vi} from 'vitest';
import {PipelineError} from '../../../api/errors.ts';
import type {
  BootResult,
  BuildOptions,
  BuildResult,
  DoctorCheck,
  StoredStep,
  VolumeStatus,
} from '../../../api/options.ts';
import {Interrupt} from '../../../cli/interrupt.ts';
import {artifact, delivered, exitedNonZero, sampleRun} from './events.ts';
import {FakeProcess, runWith} from './run-command.ts';
import {Collected} from './terminal.ts';

const built: BuildResult = {
  volume: 'hypriot-artifacts',
  artifacts: [artifact('root_fs')],
  delivered: [delivered('root_fs'), delivered('rpi_sd_image', true)],
  pushed: [],
  durationMs: 1,
};

const buildFailed = new PipelineError('BUILD_FAILED', '1 of 6 steps failed', {
  failures: [exitedNonZero('rpi_kernel')],
});

const stored: VolumeStatus = {
  volume: 'hypriot-artifacts',
  exists: true,
  sizeBytes: 400_000_000,
  entries: ['root_fs', 'rpi_kernel'].map((step) => ({
    step,
    fingerprint: '0123456789abcdef0123',
    createdAt: '2026-11-20T17:10:00.000Z',
    sizeBytes: 188_743_777,
    artifacts: [artifact(step), {...artifact(step, 97), name: `${step}-1.0.tar.gz.sha256`}],
  })),
  packages: {volume: 'hypriot-packages', exists: true, packages: 312, images: 1, sizeBytes: 640_000_000},
};

const packagesLine = '312 packages and 1 kept image, 610 MiB in the package volume hypriot-packages\n';

const jsonLines = (text: string): Record<string, unknown>[] =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);

describe('build', () => {
  it('hands over what was given and nothing else', async () => {
    const build = vi.fn((options?: BuildOptions) => Promise.resolve({...built, options} as BuildResult));
    await runWith(
      {build},
      'build root_fs rpi_kernel -t out -v ./store -i base -j 2 --verbosity debug'.split(' '),
    );
    await runWith({build}, ['build']);
    const anything = {onEvent: expect.any(Function) as unknown, signal: expect.any(AbortSignal) as unknown};
    expect(build.mock.calls).toStrictEqual([
      [
        {
          components: ['root_fs', 'rpi_kernel'],
          target: 'out',
          volume: './store',
          image: 'base',
          jobs: 2,
          registerBinfmt: true,
          verbosity: 'debug',
          ...anything,
        },
      ],
      [{registerBinfmt: true, verbosity: 'debug', ...anything}],
    ]);
  });

  it('prints the delivered paths, and only them, on stdout', async () => {
    const {stdout, stderr, exitCode} = await runWith({build: () => Promise.resolve(built)}, ['build']);
    expect(stdout).toBe('/out/root_fs-1.0.tar.gz\n/out/rpi_sd_image-1.0.tar.gz\n');
    expect([stderr, exitCode]).toEqual(['', 0]);
  });

  it('prints them with their sizes on a terminal', async () => {
    const stdout = new Collected({isTTY: true});
    await runWith({build: () => Promise.resolve(built)}, ['build'], {stdout});
    expect(stdout.text).toContain('   180 MiB  /out/rpi_sd_image-1.0.tar.gz (unchanged)\n');
  });

  it('says where the artifacts are when there is no target', async () => {
    const build = () => Promise.resolve({...built, delivered: []});
    const {stdout, stderr} = await runWith({build}, ['build']);
    expect([stdout, stderr]).toEqual([
      '',
      'the artifacts are in the volume hypriot-artifacts; --target <folder> copies them out\n',
    ]);
  });

  it('prints each event and the result as JSON lines', async () => {
    const build = (options: BuildOptions = {}) => {
      for (const event of sampleRun) options.onEvent?.(event);
      return Promise.resolve(built);
    };
    const {stdout, stderr} = await runWith({build}, ['build', '--json']);
    const lines = jsonLines(stdout);
    expect(lines).toHaveLength(sampleRun.length - 1);
    expect(lines.at(-1)).toEqual({type: 'result', ok: true, ...built});
    expect(stderr).toBe('');
  });

  it('prints a failed step once, with its last lines and what to do', async () => {
    const build = () => Promise.reject(buildFailed);
    const {stdout, stderr, exitCode} = await runWith({build}, ['build']);
    expect(stderr).toMatchInlineSnapshot(`
      "error: 1 of 6 steps failed
        rpi_kernel: the container ended with exit status 100
          E: Unable to fetch some archives
          hint: Is the mirror reachable?
      "
    `);
    expect([stdout, exitCode]).toEqual(['', 1]);
  });

  it('gives the failure to programs too', async () => {
    const {stdout, exitCode} = await runWith({build: () => Promise.reject(buildFailed)}, ['build', '--json']);
    expect(jsonLines(stdout)).toEqual([
      {
        type: 'result',
        ok: false,
        error: {
          code: 'BUILD_FAILED',
          message: '1 of 6 steps failed',
          failures: [exitedNonZero('rpi_kernel')],
        },
      },
    ]);
    expect(exitCode).toBe(1);
  });

  it('stops at the first Ctrl-C and is killed by the second', async () => {
    const fake = new FakeProcess();
    const interrupt = new Interrupt(fake);
    const build = ({signal}: BuildOptions = {}): Promise<BuildResult> => {
      fake.send('SIGINT');
      expect(signal?.aborted).toBe(true);
      expect(fake.exits).toEqual([]);
      fake.send('SIGINT');
      return Promise.reject(new PipelineError('INTERRUPTED', 'the run was interrupted'));
    };
    const {stderr, exitCode} = await runWith({build}, ['build'], {interrupt});
    expect(fake.exits).toEqual([130]);
    expect(stderr).toMatch(/^\[.*\] stopping, once more to kill\ninterrupted\n$/);
    expect(exitCode).toBe(130);
    expect(fake.listenerCount).toBe(0);
  });

  it('ends quietly when nobody reads its output any more', async () => {
    const interrupt = new Interrupt(new FakeProcess());
    const build = (): Promise<BuildResult> => {
      interrupt.stopQuietly();
      return Promise.reject(new PipelineError('INTERRUPTED', 'the run was interrupted'));
    };
    const {stderr} = await runWith({build}, ['build', '--json'], {interrupt});
    expect(stderr).toBe('');
  });
});

describe('plan', () => {
  const plan = () =>
    Promise.resolve({
      volume: 'hypriot-artifacts',
      steps: [
        {step: 'base_image', component: 'base_image', description: '', needs: [], action: 'hit', reasons: []},
        {
          step: 'root_fs',
          component: 'root_fs',
          description: '',
          needs: ['base_image'],
          action: 'run',
          reasons: ['hostname was "black-pearl" and is "white-pearl", which is written to /etc/hostname'],
        },
      ],
    } as const);

  it('shows what would run and why, in 80 columns', async () => {
    const {stdout} = await runWith({plan}, ['plan']);
    expect(stdout).toMatchInlineSnapshot(`
      "✔ base_image  stored
      ▸ root_fs     run     hostname was "black-pearl" and is "white-pearl", which is
                            written to /etc/hostname
                            needs base_image

      1 of 2 steps would run; volume hypriot-artifacts
      "
    `);
    for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
  });

  it('prints JSON', async () => {
    expect(JSON.parse((await runWith({plan}, ['plan', '--json'])).stdout)).toEqual(await plan());
  });
});

describe('status', () => {
  it('lists what the volume holds', async () => {
    const {stdout} = await runWith({status: () => Promise.resolve(stored)}, ['status']);
    expect(stdout).toMatchInlineSnapshot(`
      "root_fs     180 MiB  2026-11-20 17:10 UTC  0123456789ab
                  180 MiB  root_fs-1.0.tar.gz
                     97 B  root_fs-1.0.tar.gz.sha256
      rpi_kernel  180 MiB  2026-11-20 17:10 UTC  0123456789ab
                  180 MiB  rpi_kernel-1.0.tar.gz
                     97 B  rpi_kernel-1.0.tar.gz.sha256

      2 entries, 381 MiB in the volume hypriot-artifacts
      312 packages and 1 kept image, 610 MiB in the package volume hypriot-packages
      "
    `);
  });

  it.each([
    [
      {...stored, exists: false, entries: []},
      'the volume hypriot-artifacts does not exist; a build makes it\n',
    ],
    [{...stored, entries: []}, 'the volume hypriot-artifacts is empty\n'],
  ])('has words for nothing', async (nothing, words) => {
    expect((await runWith({status: () => Promise.resolve(nothing)}, ['status'])).stdout).toBe(
      words + packagesLine,
    );
  });

  it.each([
    [{exists: false}, 'the package volume p does not exist\n'],
    [{exists: true}, 'the package volume p is there; its size shows when the engine has a base image\n'],
    [
      {exists: true, packages: 0, images: 0, sizeBytes: 0},
      '0 packages and 0 kept images, 0 B in the package volume p\n',
    ],
  ])('has words for packages that are %j', async (packages, words) => {
    const status = () => Promise.resolve({...stored, entries: [], packages: {volume: 'p', ...packages}});
    expect((await runWith({status}, ['status'])).stdout.split('\n').slice(1).join('\n')).toBe(words);
  });
});

describe('clean', () => {
  const status = () => Promise.resolve(stored);
  const clean = () =>
    Promise.resolve({
      volume: 'hypriot-artifacts',
      removed: ['the volume hypriot-artifacts'],
      freedBytes: 4e8,
      entries: [],
    });

  it('shows what goes first, with sizes', async () => {
    const {stdout, stderr, exitCode} = await runWith({status, clean}, ['clean', '--yes']);
    expect(stderr).toBe(
      'to be removed: the volume hypriot-artifacts (381 MiB) and the build images\n' +
        '  root_fs     180 MiB  root_fs-1.0.tar.gz, root_fs-1.0.tar.gz.sha256\n' +
        '  rpi_kernel  180 MiB  rpi_kernel-1.0.tar.gz, rpi_kernel-1.0.tar.gz.sha256\n' +
        '381 MiB freed\n',
    );
    expect([stdout, exitCode]).toEqual(['removed the volume hypriot-artifacts\n', 0]);
  });

  it('takes packages only when they are asked for, and shows their size', async () => {
    const called = vi.fn(clean);
    const {stderr} = await runWith({status, clean: called}, ['clean', '--packages', '--yes']);
    expect(stderr).toContain(`to be removed: ${packagesLine}`);
    expect(called).toHaveBeenCalledExactlyOnceWith(expect.objectContaining({packages: true}));
    const {exitCode} = await runWith({status, clean: called}, ['clean', '--packages', '--keep', '1GiB']);
    expect(exitCode).toBe(2);
  });

  it('shows only the components that were named', async () => {
    const {stderr} = await runWith({status, clean}, ['clean', 'rpi_kernel', '--yes']);
    expect(stderr).toContain('to be removed from the volume hypriot-artifacts: 180 MiB\n  rpi_kernel');
    expect(stderr).not.toContain('root_fs');
  });

  it('counts the sub-steps of a component to it, and no component with a similar name', async () => {
    const [first] = stored.entries;
    const entries = ['rpi_sd_image', 'rpi_sd_image.docker', 'rpi_sd_image2'].map((step) => ({
      ...(first as StoredStep),
      step,
    }));
    const {stderr} = await runWith({status: () => Promise.resolve({...stored, entries}), clean}, [
      'clean',
      'rpi_sd_image',
      '-y',
    ]);
    expect(stderr).toContain('  rpi_sd_image.docker ');
    expect(stderr).not.toContain('rpi_sd_image2');
  });

  it('removes nothing when it cannot ask', async () => {
    const removed = vi.fn(clean);
    const {stderr, exitCode} = await runWith({status, clean: removed}, ['clean']);
    expect(stderr).toContain('hint: Add --yes to go on without a question.');
    expect(removed).not.toHaveBeenCalled();
    expect(exitCode).toBe(2);
  });
});

describe('doctor', () => {
  const checks: DoctorCheck[] = [
    {name: 'engine', status: 'ok', detail: '20.10.24'},
    {name: 'disk', status: 'warning', detail: '9 GiB free'},
    {
      name: 'binfmt',
      status: 'failed',
      detail: 'arm64 programs do not run',
      fix: './hypriotkit --setup doctor',
    },
  ];

  it('shows each check with its fix and exits 1 if one failed', async () => {
    const {stdout, exitCode} = await runWith({doctor: () => Promise.resolve(checks)}, ['doctor']);
    expect(stdout).toBe(
      '✔ engine  20.10.24\n▲ disk    9 GiB free\n✖ binfmt  arm64 programs do not run\n' +
        '          fix: ./hypriotkit --setup doctor\n',
    );
    expect(exitCode).toBe(1);
  });

  it('exits 0 on warnings', async () => {
    const {exitCode} = await runWith({doctor: () => Promise.resolve(checks.slice(0, 2))}, [
      'doctor',
      '--json',
    ]);
    expect(exitCode).toBe(0);
  });
});

describe('boot', () => {
  const result: BootResult = {
    image: '/out/x.img',
    loginSeconds: 65.2,
    boots: [{loginSeconds: 65.2}, {loginSeconds: 48}],
    passed: false,
    assertions: [
      {name: 'no failed unit', passed: true, output: ''},
      {name: 'docker is active', passed: false, output: 'inactive\n'},
    ],
  };

  it('hands over its options and exits 1 when an assertion does not hold', async () => {
    const bootImage = vi.fn(() => Promise.resolve(result));
    const argv = [
      'boot',
      'x.img',
      '-a',
      'one',
      '--assert',
      'two',
      '--boots',
      '2',
      '--timeout',
      '90',
      '--user',
      'me',
    ];
    const {stdout, exitCode} = await runWith({bootImage}, argv);
    expect(bootImage).toHaveBeenCalledExactlyOnceWith(
      expect.objectContaining({
        image: 'x.img',
        assertions: ['one', 'two'],
        boots: 2,
        timeoutSeconds: 90,
        username: 'me',
      }),
    );
    expect(stdout).toBe(
      '/out/x.img: login prompt after 1m 05s, then 48.0s\n✔ no failed unit\n✖ docker is active\n    inactive\n',
    );
    expect(exitCode).toBe(1);
  });

  it('says to programs whether the image passed', async () => {
    const {stdout} = await runWith({bootImage: () => Promise.resolve(result)}, ['boot', '--json']);
    expect(jsonLines(stdout).at(-1)).toMatchObject({type: 'result', ok: false, passed: false});
  });
});

describe('upgrade', () => {
  const image = 'hypriotkit/base-image:latest';

  it('prints the image, and what changed in the lock, one change on each line', async () => {
    const changes = ['root_fs: vim 2:9.1 → 2:9.2', 'rpi_kernel: busybox-static removed, was 1.37'];
    const upgrade = () => Promise.resolve({image, lock: {file: '/out/hypriotkit.lock', changes}});
    expect(await runWith({upgrade}, ['upgrade', '-t', 'out'])).toEqual({
      stdout: [image, ...changes, ''].join('\n'),
      stderr: 'wrote /out/hypriotkit.lock\n',
      exitCode: 0,
    });
  });

  it('prints the image only where there is no lock', async () => {
    const upgrade = () => Promise.resolve({image});
    expect(await runWith({upgrade}, ['upgrade'])).toMatchObject({stdout: `${image}\n`, exitCode: 0});
  });
});

describe('config', () => {
  it('prints the merged configuration without the password', async () => {
    const {stdout, exitCode} = await runWith({}, ['config']);
    expect(JSON.parse(stdout)).toMatchObject({root_fs: {password: '********'}});
    expect(exitCode).toBe(0);
  });

  it('prints the schema', async () => {
    const {stdout} = await runWith({}, ['config', '--schema']);
    expect(JSON.parse(stdout)).toMatchObject({title: 'hypriotkit configs.json'});
  });

  it('points at what is wrong in the file and exits 2', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'hypriotkit-cli-'));
    try {
      await writeFile(join(folder, 'configs.json'), '{"root_fs": {"hostnam": "x"}}');
      const {stdout, stderr, exitCode} = await runWith({}, ['config', '--target', folder]);
      expect(stderr).toContain('configs.json:1:14');
      expect(stderr).toContain('did you mean "hostname"?');
      expect([stdout, exitCode]).toEqual(['', 2]);
    } finally {
      await rm(folder, {recursive: true});
    }
  });
});

describe('an error', () => {
  it('that means that nothing was begun exits 2 and prints its hint', async () => {
    const error = new PipelineError('ENGINE_UNREACHABLE', 'no engine', {hint: 'Start it.\nOr install one.'});
    const {stderr, exitCode} = await runWith({status: () => Promise.reject(error)}, ['status']);
    expect(stderr).toBe('error: no engine\n  hint: Start it.\n        Or install one.\n');
    expect(exitCode).toBe(2);
  });

  it('that is nobody else’s fault says so with its stack', async () => {
    const error = new TypeError('x is undefined', {cause: new Error('deep')});
    const {stderr, exitCode} = await runWith({status: () => Promise.reject(error)}, ['status']);
    expect(stderr).toMatch(
      /^error: TypeError: x is undefined\n +at [^]*cause: Error: deep[^]*this is a bug in hypriotkit\n$/,
    );
    expect(exitCode).toBe(1);
  });
});
