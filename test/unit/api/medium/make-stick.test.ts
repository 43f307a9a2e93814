import {execFileSync} from 'node:child_process';
import {createHash} from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import {dirname, join} from 'node:path';
import {afterEach, beforeEach, describe, expect, it} from 'vitest';
import {createBundle} from '../../../../api/bundle/create.ts';
import {makeBundleImages} from '../../../../api/bundle/images.ts';
import {loadVerificationKey} from '../../../../api/bundle/signing-key.ts';
import {makeStick, type StickOptions} from '../../../../api/medium/make-stick.ts';
import {LoopbackRegistry, makeImage} from '../registry/loopback-registry.ts';
import {makeTempFolder} from '../temp-folder.ts';

const sample = new URL('../../../fixtures/ota-legacy/image.tgz', import.meta.url).pathname;
const images = [{ecuId: '0', location: sample, version: ''}];
const env = {...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`};
const path = process.env['PATH'];

let folder: string;
const at = (name: string) => join(folder, name);
beforeEach(async () => {
  folder = await makeTempFolder();
});
afterEach(() => {
  process.env['PATH'] = path;
});

const make = (options: Partial<StickOptions>) =>
  makeStick({target: at('stick.img'), room: folder, ...options});

/** A signed bundle with one image, and the archive of that image beside it. */
async function makeUpdate(): Promise<string> {
  await using registry = await LoopbackRegistry.start();
  registry.add('app', '1', makeImage(['base', 'app']));
  writeFileSync(
    at('gripper_1.0.0.yaml'),
    `apiVersion: v1\nid: gripper\nname: g\nversion: 1.0.0\ntype: addon\nkukaLinuxVersion: '*'\ncontainers:\n  - spec: {name: c, image: '${registry.host}/app:1'}\n`,
  );
  writeFileSync(at('EULA.txt'), 'You may.\n');
  for (const name of ['key', 'other']) {
    execFileSync('openssl', [
      'ecparam',
      '-genkey',
      '-name',
      'prime256v1',
      '-noout',
      '-out',
      at(`${name}.pem`),
    ]);
    execFileSync('openssl', ['pkey', '-in', at(`${name}.pem`), '-pubout', '-out', at(`${name}.pub`)], {
      stdio: 'ignore',
    });
  }
  await createBundle({
    description: at('gripper_1.0.0.yaml'),
    files: [at('EULA.txt')],
    outputFolder: folder,
    key: at('key.pem'),
  });
  const file = at('gripper_1.0.0.bundle');
  await makeBundleImages({file, origin: {kind: 'registry'}});
  return file;
}

const debugfs = (command: string) =>
  execFileSync('debugfs', ['-R', command, at('stick.img')], {env, stdio: ['ignore', 'pipe', 'ignore']});
const sha256 = (content: Buffer) => createHash('sha256').update(content).digest('hex');

describe('a stick', () => {
  it('has what was asked for, under the names that are looked for', async () => {
    const file = await makeUpdate();
    const stick = await make({
      cacheSource: images,
      bundles: [file],
      bundleKey: await loadVerificationKey(at('key.pub'), 'key'),
    });
    expect(stick).toMatchObject({
      target: at('stick.img'),
      fileSystem: 'ext4',
      label: 'ota_cache_src',
      warnings: [],
    });
    expect(stick?.entries.map(({path, files, purpose, what}) => [path, files, purpose, what])).toEqual([
      ['data/', 237, 'cache source', 'one OTA image'],
      ['manifest.json', 1, 'cache source', 'one OTA image'],
      ['meta/', 6, 'cache source', 'one OTA image'],
      ['gripper_1.0.0.bundle', 1, 'update bundle', 'gripper 1.0.0 (addon)'],
      ['gripper_1.0.0_images.tar.gz', 1, 'container images', 'one image'],
    ]);
    execFileSync('e2fsck', ['-fn', at('stick.img')], {env, stdio: 'ignore'});
    for (const name of ['gripper_1.0.0.bundle', 'gripper_1.0.0_images.tar.gz'])
      expect(sha256(debugfs(`cat /${name}`))).toBe(sha256(readFileSync(at(name))));
    expect(debugfs('stat /gripper_1.0.0.bundle').toString()).toMatch(
      /Mode: {2}0644[\s\S]*User: +0 +Group: +0/,
    );
    expect(debugfs('stat /data').toString()).toMatch(/Mode: {2}0755[\s\S]*User: +0 +Group: +0/);
    expect(readdirSync(folder).filter((name) => name.startsWith('hypriotkit-'))).toEqual([]);
  });

  it('has the same bytes under any umask', async () => {
    await make({cacheSource: images});
    const before = process.umask(0o077);
    try {
      await make({cacheSource: images, target: at('again.img')});
    } finally {
      process.umask(before);
    }
    expect(readFileSync(at('again.img')).equals(readFileSync(at('stick.img')))).toBe(true);
  });
});

describe('nothing is written', () => {
  it('without anything to write', async () => {
    await expect(make({})).rejects.toMatchObject({
      code: 'USAGE',
      message: 'there is nothing to put on the stick',
    });
  });

  it('for a bundle that no update agent takes, that another key has signed, or without its images', async () => {
    const file = await makeUpdate();
    const bundleKey = await loadVerificationKey(at('other.pub'), 'key');
    await expect(make({bundles: [file], bundleKey})).rejects.toMatchObject({
      code: 'BUNDLE_INVALID',
      message: expect.stringContaining('the signature of gripper_1.0.0.yaml is not from this key') as string,
    });
    mkdirSync(at('twice'));
    writeFileSync(at('twice/gripper_1.0.0.bundle'), readFileSync(file));
    await expect(make({bundles: [file, at('twice/gripper_1.0.0.bundle')]})).rejects.toThrow(
      'two bundles of the name',
    );
    rmSync(at('gripper_1.0.0_images.tar.gz'));
    await expect(make({bundles: [file]})).rejects.toMatchObject({
      code: 'BUNDLE_INVALID',
      message: `${file} needs an image, and there is no ${at('gripper_1.0.0_images.tar.gz')}`,
      hint: `Make it: hypriotkit bundle images ${file}`,
    });
    expect(existsSync(at('stick.img'))).toBe(false);
  });

  it('over a file, unless told, or to one that is too small, which says by how much', async () => {
    writeFileSync(at('stick.img'), 'mine');
    await expect(make({cacheSource: images})).rejects.toMatchObject({code: 'OUTPUT_EXISTS'});
    truncateSync(at('stick.img'), 1024 * 1024);
    await expect(make({cacheSource: images, force: true})).rejects.toMatchObject({
      code: 'DEVICE_UNUSABLE',
      message: expect.stringMatching(
        /has 1 MiB and about \d+ MiB are needed, \d+ MiB more: nothing was written/,
      ) as string,
    });
    expect(readFileSync(at('stick.img')).subarray(0, 4).toString()).toBe('mine');
  });

  it('when the answer is no, or after an abort', async () => {
    expect(await make({cacheSource: images, confirm: () => Promise.resolve(false)})).toBeUndefined();
    await expect(make({cacheSource: images, signal: AbortSignal.abort()})).rejects.toMatchObject({
      name: 'AbortError',
    });
    expect(readdirSync(folder)).toEqual([]);
  });
});

describe('a medium that fails while it is written', () => {
  /** A mke2fs that does something else; every other program is the real one. */
  function replaceMke2fs(script: string): void {
    mkdirSync(at('bin'));
    writeFileSync(
      at('bin/mke2fs'),
      `#!/bin/sh\nPATH=$PATH:/usr/sbin:/sbin\nfor last; do :; done\n${script}\n`,
    );
    chmodSync(at('bin/mke2fs'), 0o755);
    process.env['PATH'] = `${at('bin')}:${path ?? ''}`;
  }
  const real = execFileSync('sh', ['-c', 'command -v mke2fs'], {env}).toString().trim();

  it.each([
    [
      'refuses writes',
      'echo "Input/output error while writing superblock" >&2; exit 1',
      /could not be written: .*Input\/output error/,
    ],
    ['is pulled out', `${real} "$@"; rm "$last"`, /cannot be written or read back: ENOENT/],
    [
      'forgets a file',
      `${real} "$@"; debugfs -w -R "rm /manifest.json" "$last"`,
      /does not hold manifest.json as it was written/,
    ],
    [
      'loses its first block',
      `${real} "$@"; dd if=/dev/zero of="$last" bs=4096 count=1 conv=notrunc`,
      /does not hold data/,
    ],
  ])('%s', async (_what, script, message) => {
    replaceMke2fs(script);
    await expect(make({cacheSource: images})).rejects.toMatchObject({
      code: 'FLASH_FAILED',
      message: expect.stringMatching(message) as string,
    });
    expect(readdirSync(dirname(at('x'))).filter((name) => name !== 'bin')).toEqual([]);
  });
});
