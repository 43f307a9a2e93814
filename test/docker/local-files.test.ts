import {randomBytes} from 'node:crypto';
import {chmod, mkdir, mkdtemp, rm, symlink, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterEach, beforeEach, describe, expect, it} from 'vitest';
import type {Step} from '../../api/components/step.ts';
import {readLocalTree} from '../../configs/local-tree.ts';
import {Rig, shellStep} from './rig.ts';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hypriotkit-test-files-'));
  await mkdir(join(folder, 'overlay/etc/empty'), {recursive: true});
  await writeFile(join(folder, 'overlay/etc/a file'), 'content');
  await writeFile(join(folder, 'overlay/program'), '#!/bin/sh\n');
  await chmod(join(folder, 'overlay/program'), 0o700);
  await symlink('/etc/passwd', join(folder, 'overlay/link'));
});

afterEach(async () => {
  await rm(folder, {recursive: true});
});

/** A step that has the overlay as `tree/overlay` and says what it sees. */
async function stepWith(script: string): Promise<Step> {
  const tree = await readLocalTree(folder, 'overlay', 'folder');
  return shellStep('blank_image', script, {
    files: [{path: 'tree/overlay', field: 'root_fs.overlay', tree}],
    settings: [{field: 'root_fs.overlay', variable: 'OVERLAY', value: tree.digest}],
  });
}

const list = `cd .files && find tree -printf '%p %y %04m %U:%G %Ts %l\\n' | LC_ALL=C sort >../out`;

describe('files beside configs.json', () => {
  it('reach the container as they are, owned by root and without times of this machine', async () => {
    await using rig = new Rig();
    const entry = await rig.make(await stepWith(list));
    expect((await rig.read(entry)).split('\n').filter(Boolean)).toEqual([
      'tree d 0755 0:0 0 ',
      'tree/overlay d 0755 0:0 0 ',
      'tree/overlay/etc d 0755 0:0 0 ',
      'tree/overlay/etc/a file f 0644 0:0 0 ',
      'tree/overlay/etc/empty d 0755 0:0 0 ',
      'tree/overlay/link l 0777 0:0 0 /etc/passwd',
      'tree/overlay/program f 0755 0:0 0 ',
    ]);
    expect(await rig.leftovers()).toEqual([]);
  });

  it('of any size arrive byte by byte', async () => {
    await using rig = new Rig();
    await writeFile(join(folder, 'overlay/big'), randomBytes(20 * 1024 ** 2));
    const step = await stepWith('sha256sum <.files/tree/overlay/big | cut -c 1-64 >out');
    const entry = await rig.make(step);
    const big = step.files?.[0]?.tree.entries.find(({path}) => path === 'big');
    expect((await rig.read(entry)).trim()).toBe(big?.content);
  });

  it.each([
    ['longer', 'content and more'],
    ['shorter', 'c'],
    ['different', 'CONTENT'],
  ])('that are %s by the time they are sent fail the step by name', async (_, content) => {
    await using rig = new Rig();
    const step = await stepWith('touch out');
    await writeFile(join(folder, 'overlay/etc/a file'), content);
    expect(await rig.fail([step], 'blank_image')).toMatchObject({
      message: expect.stringContaining(
        'etc/a file (root_fs.overlay) has changed since the build began',
      ) as string,
      hint: 'Run the same command again when nothing writes to it.',
    });
    expect(await rig.leftovers()).toEqual([]);
  });

  it('are not sent again when nothing has changed, and are when something has', async () => {
    await using rig = new Rig();
    const first = await rig.make(await stepWith('touch out'));
    expect((await rig.make(await stepWith('touch out'))).fingerprint).toBe(first.fingerprint);
    await writeFile(join(folder, 'overlay/etc/a file'), 'other');
    expect((await rig.make(await stepWith('touch out'))).fingerprint).not.toBe(first.fingerprint);
  });
});
