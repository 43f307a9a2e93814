import {spawnSync} from 'node:child_process';
import {appendFile, chmod, copyFile, link, mkdir, readFile, rm, writeFile} from 'node:fs/promises';
import {createHash} from 'node:crypto';
import {readFileSync} from 'node:fs';
import {dirname, join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {describe, expect, it} from 'vitest';
import {makeTempFolder} from '../api/temp-folder.ts';

const checkRoot = fileURLToPath(new URL('../../../build-images/base_image/lib/check-root', import.meta.url));

/** What a program of this machine begins with. */
const nativeProgram = readFileSync('/usr/bin/perl').subarray(0, 64);

/** A root file system with one package that has a program, a native one among its data, and a hard link. */
async function makeRoot() {
  const folder = await makeTempFolder();
  const [tree, root] = [join(folder, 'package'), join(folder, 'root')];
  for (const base of [tree, root]) {
    await mkdir(join(base, 'usr/bin'), {recursive: true});
    await mkdir(join(base, 'usr/lib/firmware'), {recursive: true});
    await writeFile(join(base, 'usr/bin/tool'), 'the program of another architecture');
    await link(join(base, 'usr/bin/tool'), join(base, 'usr/bin/tool-1.0'));
    await writeFile(join(base, 'usr/lib/firmware/blob'), nativeProgram);
  }
  await mkdir(join(tree, 'DEBIAN'));
  await writeFile(
    join(tree, 'DEBIAN/control'),
    'Package: tool\nVersion: 1\nArchitecture: all\nMaintainer: A <a@b.c>\nDescription: x\n',
  );
  const deb = join(folder, 'tool.deb');
  expect(spawnSync('dpkg-deb', ['--build', '-Znone', '--root-owner-group', tree, deb]).status).toBe(0);
  const info = join(root, 'var/lib/dpkg/info/tool.md5sums');
  await mkdir(dirname(info), {recursive: true});
  const sums = ['usr/bin/tool', 'usr/bin/tool-1.0', 'usr/lib/firmware/blob'].map(async (path) => {
    const sum = createHash('md5').update(await readFile(join(root, path)));
    return `${sum.digest('hex')}  ${path}\n`;
  });
  await writeFile(info, (await Promise.all(sums)).join(''));
  const check = () => {
    const {status, stdout} = spawnSync('perl', [checkRoot, root, deb], {encoding: 'utf8'});
    expect(status).toBe(0);
    return stdout.split('\n').filter(Boolean);
  };
  return {root, check};
}

describe('check-root', () => {
  it('finds nothing where nothing was left, also in packages with programs for other machines', async () => {
    const {check} = await makeRoot();
    expect(check()).toEqual([]);
  });

  it('finds a program of this machine that no package has, wherever it lies', async () => {
    const {root, check} = await makeRoot();
    await mkdir(join(root, 'opt'));
    await writeFile(join(root, 'opt/left over'), nativeProgram);
    expect(check()).toEqual(["./opt/left over is a program of the build container's architecture"]);
  });

  it('finds a program that was replaced by its twin', async () => {
    const {root, check} = await makeRoot();
    await writeFile(join(root, 'usr/bin/tool'), nativeProgram);
    expect(check()).toContain('usr/bin/tool is not what its package has');
  });

  it('finds a file that has changed by a byte', async () => {
    const {root, check} = await makeRoot();
    await appendFile(join(root, 'usr/lib/firmware/blob'), 'x');
    expect(check()).toContain('usr/lib/firmware/blob is not what its package has');
  });

  it.each([
    [
      'was split',
      (one: string, other: string) => copyFile(one, `${other}.new`).then(() => link(`${other}.new`, other)),
    ],
    ['is missing', () => Promise.resolve()],
  ])('finds a hard link that %s', async (_, replace) => {
    const {root, check} = await makeRoot();
    const [one, other] = [join(root, 'usr/bin/tool'), join(root, 'usr/bin/tool-1.0')];
    await rm(other);
    await replace(one, other);
    expect(check()).toEqual(['usr/bin/tool-1.0 and usr/bin/tool are not one file']);
  });

  it('takes the word of any package for a file that several have, and none for one that was diverted', async () => {
    const {root, check} = await makeRoot();
    const info = join(root, 'var/lib/dpkg/info');
    await writeFile(join(info, 'older.md5sums'), `${'0'.repeat(32)}  usr/bin/tool\n`);
    await writeFile(join(root, 'usr/bin/other'), 'x');
    await chmod(join(root, 'usr/bin/other'), 0o755);
    await writeFile(join(info, 'diverted.md5sums'), `${'0'.repeat(32)}  usr/bin/other\n`);
    await writeFile(join(root, 'var/lib/dpkg/diversions'), '/usr/bin/other\n/usr/bin/other.real\nsomeone\n');
    expect(check()).toEqual([]);
  });
});
