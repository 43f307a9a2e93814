import {execFileSync} from 'node:child_process';
import {copyFileSync, existsSync, readdirSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {afterEach, beforeEach, describe, expect, it} from 'vitest';
import {createContext} from '../../../cli/context.ts';
import {Interrupt} from '../../../cli/interrupt.ts';
import {runImagesPacker} from '../../../cli/run-images-packer.ts';
import {makeTempFolder} from '../api/temp-folder.ts';
import {FakeProcess, runWith} from './run-command.ts';
import {Collected} from './terminal.ts';

const sample = new URL('../../fixtures/ota-legacy/image.tgz', import.meta.url).pathname;
const before = process.cwd();

let folder: string;
beforeEach(async () => {
  folder = await makeTempFolder();
  process.chdir(folder);
});
afterEach(() => {
  process.chdir(before);
});

const run = (...argv: string[]) => runWith({}, argv);

describe('bundle', () => {
  it('goes from a template to a verified bundle with the words of the update agent', async () => {
    expect(await run('bundle', 'init', 'gripper_1.0.0')).toMatchObject({
      stdout: 'gripper_1.0.0.yaml\n',
      exitCode: 0,
    });
    expect(await run('bundle', 'validate', 'gripper_1.0.0.yaml')).toEqual({
      stdout: 'Bundle file gripper_1.0.0.yaml successfully validated.\n',
      stderr: '',
      exitCode: 0,
    });
    execFileSync('openssl', [
      'genpkey',
      '-algorithm',
      'EC',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-out',
      'key.pem',
    ]);
    execFileSync('openssl', ['pkey', '-in', 'key.pem', '-pubout', '-out', 'public.pem']);
    writeFileSync('EULA.txt', 'You may.');
    expect(await run('bundle', 'create', '-k', 'key.pem', 'gripper_1.0.0.yaml', 'EULA.txt')).toEqual({
      stdout:
        'Signing description file gripper_1.0.0.yaml\nBundle file ./gripper_1.0.0.bundle successfully created.\n',
      stderr: '',
      exitCode: 0,
    });
    expect(await run('bundle', 'verify', '--key', 'public.pem', 'gripper_1.0.0.bundle')).toEqual({
      stdout: 'Bundle file gripper_1.0.0.bundle successfully verified.\n',
      stderr: '',
      exitCode: 0,
    });
    expect((await run('bundle', 'inspect', 'gripper_1.0.0.bundle')).stdout).toContain(
      'bundle     gripper 1.0.0 (addon)\n',
    );
    copyFileSync('gripper_1.0.0.bundle', 'gripper_1.0.1.bundle');
    expect(await run('bundle', 'verify', '--key', 'public.pem', 'gripper_1.0.1.bundle')).toEqual({
      stdout: '',
      stderr: 'error: its file name has the version 1.0.1, its description 1.0.0\n',
      exitCode: 1,
    });
  });

  it('prints the exact sentence for a field that is not set, its place and its line', async () => {
    writeFileSync(
      'basic.yaml',
      "apiVersion: v1\nid: a\nname: a\nversion: 1.0.0\ntype: base\nkukaLinuxVersion: '*'\ncontainers:\n  - spec:\n      name: a\n",
    );
    expect(await run('bundle', 'validate', 'basic.yaml')).toEqual({
      stdout: '',
      stderr:
        'Error: error validating bundle: required field [container.spec.image] is not set\n' +
        '  at basic.yaml:8:5\n    - spec:\n      ~~~~\n',
      exitCode: 1,
    });
  });

  it('tells usage and unreadable files from failed checks', async () => {
    expect((await run('bundle', 'validate', 'none.yaml')).exitCode).toBe(2);
    expect((await run('bundle', 'verify', 'none_1.0.0.bundle')).exitCode).toBe(2);
    expect((await run('bundle', 'create', 'x.yaml')).exitCode).toBe(2);
    expect((await run('bundle', 'check-name', 'a_1.0.0.bundle')).exitCode).toBe(0);
    expect((await run('bundle', 'check-name', 'a_1.0.bundle')).exitCode).toBe(1);
  });

  it.each(['init', 'validate', 'create', 'verify', 'inspect', 'images', 'check-name', 'schema'])(
    '%s has help with an example',
    async (command) => {
      const {stdout, exitCode} = await run('bundle', command, '--help');
      expect(stdout).toContain(`$ hypriotkit bundle ${command}`);
      expect(exitCode).toBe(0);
    },
  );
});

describe('ota pack-…', () => {
  it('packs to a tar and to a file that stands for a device', async () => {
    const {stdout, stderr, exitCode} = await run(
      'ota',
      'pack-cache-src',
      '--image',
      sample,
      '-o',
      'a b.tar',
      '-w',
      'stick.img',
    );
    expect({stdout, stderr, exitCode}).toEqual({
      stdout: 'a b.tar\nstick.img\n',
      stderr: '1 image, 237 files, 165 KiB\n1 image, 237 files, 165 KiB\n',
      exitCode: 0,
    });
    expect(readdirSync(folder).sort()).toEqual(['a b.tar', 'stick.img']);
    const again = await run(
      'ota',
      'pack-cache-src',
      '--image',
      sample,
      '--force-write-to',
      '-w',
      'stick.img',
    );
    expect(again.exitCode).toBe(0);
  });

  it('makes a stick and shows what a technician finds on it', async () => {
    const {stdout, exitCode} = await run(
      'ota',
      'stick',
      'stick.img',
      '--offline-bundle',
      `main:${sample}:v1`,
    );
    expect({lines: stdout.replace(/^\S+stick\.img/, 'stick.img').split('\n'), exitCode}).toEqual({
      lines: [
        'stick.img: ext4, label ota_cache_src, 50.0 MiB, read back and right',
        '',
        'on it              size  for       what',
        'data/           165 KiB  otaproxy  237 files of one OTA image',
        'manifest.json     220 B  otaproxy  one OTA image',
        'meta/          29.6 KiB  otaproxy  6 files of one OTA image',
        '',
      ],
      exitCode: 0,
    });
    const again = await run('ota', 'stick', 'stick.img', '--json', '--force', '--cache-src', sample);
    expect(JSON.parse(again.stdout)).toMatchObject({
      label: 'ota_cache_src',
      entries: [{path: 'data/'}, {}, {}],
    });
    expect(await run('ota', 'stick', 'other.img')).toMatchObject({stdout: '', exitCode: 2});
    expect(await run('ota', 'stick', '/dev/null', '--cache-src', sample)).toMatchObject({
      stdout: '',
      exitCode: 2,
    });
  });

  it.each([
    'stick',
    'pack-cache-src',
    'pack-offline-bundle',
    'legacy-build',
    'legacy-verify',
    'legacy-deploy',
  ])('%s has help with an example', async (command) => {
    const {stdout} = await run('ota', command, '--help');
    expect(stdout).toContain(`$ hypriotkit ota ${command}`);
  });

  it('verifies a legacy image and says who signed it', async () => {
    const {stdout} = await run('ota', 'legacy-verify', '--ca-dir', join(sample, '..'), sample);
    expect(stdout).toMatch(/^signed by .*CN=sign\.tier4\.jp; 251 files as signed\n$/);
  });
});

describe('images_packer', () => {
  async function packer(...argv: string[]) {
    const stdout = new Collected();
    const stderr = new Collected();
    let exitCode = 0;
    const context = createContext({
      stdout,
      stderr,
      env: {},
      stdin: Object.assign(Object.create(null) as NodeJS.ReadStream, {isTTY: false}),
      interrupt: new Interrupt(new FakeProcess()),
      setExitCode: (code) => {
        exitCode = code;
      },
    });
    await runImagesPacker(argv, context);
    return {stdout: stdout.text, stderr: stderr.text, exitCode};
  }

  it('ends with 22 for what the reference calls invalid', async () => {
    writeFileSync('there.tar', '');
    const [cache, bundle] = ['build-cache-src', 'build-offline-ota-imgs-bundle'];
    const cases: readonly (readonly [readonly string[], string])[] = [
      [[cache], 'at least one export option should be specified'],
      [[cache, '-o', 'x.tar'], 'at least one valid image should be given'],
      [[cache, '-o', 'x.tar', '--image-dir', 'none'], 'none is not a folder with images'],
      [[cache, '-o', 'there.tar'], 'there.tar exists'],
      [[cache, '-o', '.'], '. exists'],
      [[cache, '-w', '/dev/null', '--image', sample], '/dev/null is not a block device'],
      [[bundle, '-o', 'there.tar', '--image', `p1:${sample}`], 'there.tar exists'],
      [
        [bundle, '-o', 'x.tar', '--image', `p1:${sample}`, '--image', `p1:${sample}`],
        'there are two images for the ECU p1',
      ],
    ];
    for (const [argv, message] of cases) {
      expect(await packer(...argv), argv.join(' ')).toEqual({
        exitCode: 22,
        stdout: '',
        stderr: `ERR: ${message}, abort\n`,
      });
    }
    expect(await packer(bundle, '-o', 'x.tar', '--image', 'p1')).toMatchObject({exitCode: 22, stdout: ''});
    expect(existsSync('x.tar')).toBe(false);
  });

  it('ends with 2 for options that do not exist, with 1 for bad images, with 0 when done', async () => {
    const bundle = 'build-offline-ota-imgs-bundle';
    expect(await packer(bundle, '--what')).toMatchObject({exitCode: 2});
    expect(await packer(bundle, '-o', 'x.tar', '--image', 'p1:none.tgz')).toMatchObject({exitCode: 1});
    expect(await packer(bundle, '-o', 'x.tar', '--image', `p1:${sample}:v1`)).toMatchObject({
      exitCode: 0,
      stdout: 'x.tar\n',
    });
  });
});
