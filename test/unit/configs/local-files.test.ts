import {execFileSync} from 'node:child_process';
import {chmod, mkdir, mkdtemp, rm, symlink, utimes, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterEach, beforeEach, describe, expect, it} from 'vitest';
import {ConfigError, formatConfigIssue} from '../../../configs/config-error.ts';
import {loadConfigs} from '../../../configs/load-config.ts';
import {localTree} from '../../../configs/local-files.ts';
import {linesOfValue} from './check.ts';

let around: string;
let folder: string;

beforeEach(async () => {
  around = await mkdtemp(join(tmpdir(), 'hypriotkit-local-'));
  folder = join(around, 'project');
  await mkdir(join(folder, 'overlay/etc'), {recursive: true});
});

afterEach(async () => {
  await rm(around, {recursive: true});
});

async function load(rootFs: Record<string, unknown>) {
  await writeFile(join(folder, 'configs.json'), JSON.stringify({root_fs: rootFs}));
  return loadConfigs({target: folder});
}

/** The first lines of what is wrong. */
async function linesOf(rootFs: Record<string, unknown>): Promise<string[]> {
  try {
    await load(rootFs);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.issues.map((issue) => formatConfigIssue(issue, folder).split('\n')[0] ?? '');
  }
  return [];
}

async function digest(): Promise<string> {
  return localTree((await load({overlay: 'overlay'})).local, 'overlay').digest;
}

describe('an overlay', () => {
  it('is read with everything in it, sorted', async () => {
    await writeFile(join(folder, 'overlay/etc/motd'), 'hello');
    await writeFile(join(folder, 'overlay/etc/a program'), '#!/bin/sh', {mode: 0o700});
    await symlink('/etc/motd', join(folder, 'overlay/link'));
    const {local} = await load({overlay: 'overlay/'});
    expect(
      localTree(local, 'overlay').entries.map(({type, path, executable}) => [type, path, executable]),
    ).toEqual([
      ['folder', 'etc', false],
      ['file', 'etc/a program', true],
      ['file', 'etc/motd', false],
      ['link', 'link', false],
    ]);
  });

  it('has a digest over names, content, executable bits and links, and nothing else', async () => {
    const file = join(folder, 'overlay/etc/motd');
    await writeFile(file, 'hello', {mode: 0o644});
    const first = await digest();
    await utimes(file, 1, 1);
    await chmod(file, 0o600);
    expect(await digest()).toBe(first);
    await chmod(file, 0o755);
    const executable = await digest();
    await writeFile(file, 'hellp');
    const content = await digest();
    await mkdir(join(folder, 'overlay/empty'));
    const empty = await digest();
    await symlink('a', join(folder, 'overlay/link'));
    const link = await digest();
    await rm(join(folder, 'overlay/link'));
    await symlink('b', join(folder, 'overlay/link'));
    expect(new Set([first, executable, content, empty, link, await digest()]).size).toBe(6);
  });

  it('has problems of its table at their lines', async () => {
    await writeFile(join(folder, 'overlay/overlay.table'), '# ok\n0640 root /etc\n- root:root /not/there\n');
    expect(await linesOf({overlay: 'overlay'})).toEqual([
      'overlay/overlay.table:2:1 "0640 root /etc" must be a mode or "-", owner:group, and a path that starts with "/"',
      'overlay/overlay.table:3:1 there is no /not/there in the overlay',
    ]);
  });
});

describe('what is not there, or not what it must be', () => {
  it('is an error at the field that names it', async () => {
    await writeFile(join(folder, 'no-script'), 'echo hello');
    await writeFile(join(folder, 'no-key'), 'hello');
    await writeFile(join(folder, 'private'), '-----BEGIN PGP PRIVATE KEY BLOCK-----');
    const source = {name: 'x', url: 'http://deb.test', suite: 'x', components: ['main'], key: 'no-key'};
    expect(
      await linesOf({
        overlay: 'missing',
        scripts: ['overlay', 'no-script', 'none'],
        keyring: 'private',
        apt_sources: [source],
      }),
    ).toEqual([
      expect.stringMatching(
        /^configs.json:1:\d+ root_fs.keyring must be a public key: this file holds a private one/,
      ),
      expect.stringMatching(
        /^configs.json:1:\d+ root_fs.apt_sources\[0\].key must be a file with a public OpenPGP key/,
      ),
      expect.stringMatching(
        /^configs.json:1:23 root_fs.overlay does not exist in .*project, found "missing"$/,
      ),
      expect.stringMatching(/^configs.json:1:\d+ root_fs.scripts\[0\] is not a file, found "overlay"$/),
      expect.stringMatching(/^configs.json:1:\d+ root_fs.scripts\[1\] must be a script whose first line/),
      expect.stringMatching(/^configs.json:1:\d+ root_fs.scripts\[2\] does not exist in/),
    ]);
  });

  it.each(['../overlay', '/etc', 'a/../../b', './overlay', 'a\\b', 'a//b', 'a\nb', '..'])(
    'is refused before anything is read: %j',
    (path) => {
      expect(linesOfValue({root_fs: {overlay: path}})[0]).toMatch(
        /^1:23 root_fs.overlay must be a folder beside configs.json: a relative path/,
      );
    },
  );

  it('is refused when it is a link, or lies behind one, that leads out', async () => {
    await mkdir(join(around, 'outside'));
    await writeFile(join(around, 'outside/script'), '#!/bin/sh');
    await symlink(join(around, 'outside'), join(folder, 'link'));
    await symlink('../outside/script', join(folder, 'script'));
    expect(await linesOf({overlay: 'link', scripts: ['script', 'link/script']})).toEqual([
      expect.stringMatching(/root_fs.overlay is a link that leads out of/),
      expect.stringMatching(/root_fs.scripts\[0\] is a link that leads out of/),
      expect.stringMatching(/root_fs.scripts\[1\] is a link that leads out of/),
    ]);
  });

  it('is refused when the overlay has a pipe or a name that no table could hold', async () => {
    execFileSync('mkfifo', [join(folder, 'overlay/pipe')]);
    expect(await linesOf({overlay: 'overlay'})).toEqual([
      expect.stringMatching(/root_fs.overlay has "pipe" in it, which is no file, folder or link/),
    ]);
    await rm(join(folder, 'overlay/pipe'));
    await writeFile(join(folder, 'overlay/a\nb'), '');
    expect(await linesOf({overlay: 'overlay'})).toEqual([
      expect.stringMatching(/root_fs.overlay has a file whose name cannot be used: "a\\nb"/),
    ]);
  });
});

it('links inside the project are followed, and binary keys are known', async () => {
  await writeFile(join(folder, 'key.gpg'), Buffer.from([0x99, 1, 2]));
  await symlink('key.gpg', join(folder, 'link.gpg'));
  const {local} = await load({keyring: 'link.gpg'});
  expect(localTree(local, 'link.gpg').entries).toMatchObject([{type: 'file', path: '', sizeBytes: 3}]);
});
