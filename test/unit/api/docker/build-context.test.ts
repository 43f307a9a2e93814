import fc from 'fast-check';
import {chmod, chown, mkdir, symlink, utimes, writeFile, rename, rm} from 'node:fs/promises';
import {dirname, join} from 'node:path';
import {Readable} from 'node:stream';
import {extract} from 'tar-stream';
import {describe, expect, it} from 'vitest';
import {packBuildContext} from '../../../../api/docker/build-context.ts';
import {makeTempFolder} from '../temp-folder.ts';

type Files = Readonly<Record<string, {readonly content: string; readonly executable?: boolean}>>;

/** A folder with files, made in that order under that umask. */
async function makeFolder(files: Files, umask = 0o022): Promise<string> {
  const folder = await makeTempFolder();
  const before = process.umask(umask);
  try {
    for (const [name, {content, executable}] of Object.entries(files)) {
      const path = join(folder, name);
      await mkdir(dirname(path), {recursive: true});
      await writeFile(path, content, {mode: executable ? 0o777 : 0o666});
    }
  } finally {
    process.umask(before);
  }
  return folder;
}

const digestOf = async (folder: string) => (await packBuildContext(folder)).digest;

const files: Files = {
  Dockerfile: {content: 'FROM scratch\n'},
  'build.sh': {content: '#!/bin/sh\n', executable: true},
  'rpi/build.sh': {content: '#!/bin/sh\n', executable: true},
  'rpi/notes': {content: ''},
};

describe('the digest of a build context', () => {
  it.each([0o000, 0o002, 0o027, 0o077])('is the same under umask %i', async (umask) => {
    expect(await digestOf(await makeFolder(files, umask))).toBe(await digestOf(await makeFolder(files)));
  });

  it('is the same for files that were made in another order', async () => {
    const turned = Object.fromEntries(Object.entries(files).reverse());
    expect(await digestOf(await makeFolder(turned))).toBe(await digestOf(await makeFolder(files)));
  });

  it('is the same for any set of names, whatever the order in which they were made', async () => {
    const names = fc.uniqueArray(fc.stringMatching(/^[a-zA-Z0-9._ -]{1,12}$/), {minLength: 1, maxLength: 8});
    await fc.assert(
      fc.asyncProperty(names, async (given) => {
        const usable = given.filter((name) => !/^\.{1,2}$/.test(name));
        const made = (order: string[]) =>
          makeFolder(Object.fromEntries(order.map((name) => [name, {content: name}])));
        expect(await digestOf(await made(usable))).toBe(await digestOf(await made(usable.toReversed())));
      }),
      {numRuns: 20},
    );
  });

  it('is the same at another time and in another place', async () => {
    const folder = await makeFolder(files);
    const before = await digestOf(folder);
    for (const name of ['Dockerfile', 'rpi', 'rpi/notes']) await utimes(join(folder, name), 1000, 1000);
    await rename(folder, `${folder}-moved`);
    const after = await digestOf(`${folder}-moved`);
    await rm(`${folder}-moved`, {recursive: true});
    expect(after).toBe(before);
  });

  it.runIf(process.getuid?.() === 0)('is the same for another owner', async () => {
    const folder = await makeFolder(files);
    const before = await digestOf(folder);
    await chown(join(folder, 'build.sh'), 1234, 3_000_000);
    expect(await digestOf(folder)).toBe(before);
  });

  it('is the same for other rights that say nothing about running it', async () => {
    const folder = await makeFolder(files);
    const before = await digestOf(folder);
    await chmod(join(folder, 'Dockerfile'), 0o600);
    await chmod(join(folder, 'build.sh'), 0o700);
    expect(await digestOf(folder)).toBe(before);
  });

  it.each<[string, Files]>([
    ['content', {...files, Dockerfile: {content: 'FROM scratch \n'}}],
    ['a file more', {...files, empty: {content: ''}}],
    ['a bit that makes it run', {...files, 'build.sh': {content: '#!/bin/sh\n'}}],
    [
      'another name',
      {'build.sh': files['build.sh'] ?? {content: ''}, dockerfile: {content: 'FROM scratch\n'}},
    ],
  ])('is another one for %s', async (_, changed) => {
    expect(await digestOf(await makeFolder(changed))).not.toBe(await digestOf(await makeFolder(files)));
  });

  it('is another one when a link points elsewhere', async () => {
    const linked = async (target: string) => {
      const folder = await makeFolder(files);
      await symlink(target, join(folder, 'link'));
      return digestOf(folder);
    };
    expect(await linked('build.sh')).not.toBe(await linked('Dockerfile'));
  });
});

describe('packBuildContext', () => {
  it('packs what lies in the folder, owned by root and dated 1970', async () => {
    const {tar} = await packBuildContext(await makeFolder(files, 0o077));
    const found = new Map<string, unknown>();
    const archive = Readable.from([tar]).pipe(extract());
    for await (const entry of archive) {
      const {name, mode, uid, gid, mtime} = entry.header;
      found.set(name, {mode, uid, gid, mtime: mtime.getTime()});
      entry.resume();
    }
    const root = {uid: 0, gid: 0, mtime: 0};
    expect(found.get('Dockerfile')).toEqual({...root, mode: 0o644});
    expect(found.get('rpi/build.sh')).toEqual({...root, mode: 0o755});
    expect(found.get('rpi')).toEqual({...root, mode: 0o755});
  });

  it('packs in the order of the names, whatever the order of the file system is', async () => {
    const names = Array.from({length: 60}, (_, i) => `${(i * 37) % 60}-file`);
    const {tar} = await packBuildContext(
      await makeFolder(Object.fromEntries(names.map((name) => [name, {content: ''}]))),
    );
    const packed: string[] = [];
    for await (const entry of Readable.from([tar]).pipe(extract())) {
      if (entry.header.type === 'file') packed.push(entry.header.name);
      entry.resume();
    }
    expect(packed).toEqual(names.toSorted());
  });

  it('fails for a folder that is not there, and does not pack nothing', async () => {
    await expect(packBuildContext('/nonexistent/folder')).rejects.toThrow('ENOENT');
  });
});
