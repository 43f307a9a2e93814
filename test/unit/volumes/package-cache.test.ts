import {chmod, mkdir, readdir, readFile, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {beforeEach, describe, expect, it} from 'vitest';
import {PackageCache} from '../../../volumes/package-cache.ts';
import {makeTempFolder} from '../api/temp-folder.ts';
import {LocalVolumeHost} from './local-volume-host.ts';
import {sha256} from './store-rig.ts';

const content = 'a package';
const digest = sha256(content);

let folder: string;
let cache: PackageCache;

const path = (name: string) => join(folder, cache.path, name);

beforeEach(async () => {
  folder = await makeTempFolder();
  cache = new PackageCache(new LocalVolumeHost(folder));
  await mkdir(join(folder, cache.path), {recursive: true});
});

describe('a package in the cache', () => {
  it('is there, or missing, or damaged and then removed', async () => {
    const damaged = sha256('what it was');
    await writeFile(path(`${digest}.deb`), content);
    await writeFile(path(`${damaged}.deb`), 'what it is');
    const missing = sha256('never there');
    expect(await cache.check([digest, damaged, missing].map((sum) => ({sha256: sum})))).toEqual({
      missing: [missing, damaged],
      damaged: [damaged],
    });
    expect(await readdir(join(folder, cache.path))).toEqual([`${digest}.deb`]);
  });

  it('is left alone when another run has replaced it since it was found to be damaged', async () => {
    await writeFile(path(`${digest}.deb`), 'something else');
    await writeFile(path('good'), content);
    // The first reading is followed by what another run does at that moment.
    const tools = await makeTempFolder();
    const program = join(tools, 'sha256sum');
    await writeFile(
      program,
      `#!/bin/sh
       PATH=\${PATH#*:}
       sha256sum "$@"; status=$?
       [ ! -e '${path('good')}' ] || mv '${path('good')}' '${path(`${digest}.deb`)}'
       exit $status\n`,
    );
    await chmod(program, 0o755);
    const slow = new PackageCache(new LocalVolumeHost(folder, tools));
    expect(await slow.check([{sha256: digest}])).toEqual({missing: [], damaged: []});
    expect(await readFile(path(`${digest}.deb`), 'utf8')).toBe(content);
  });

  it('comes from a download whose content is what its name says', async () => {
    const incoming = await cache.openIncoming('run1.root_fs');
    await cache.writeIncoming(incoming, `${digest}.deb`, content);
    const wrong = sha256('right');
    await cache.writeIncoming(incoming, `${wrong}.deb`, 'wrong');
    await cache.admit(incoming, [{sha256: digest}, {sha256: wrong}]);
    expect(await readdir(join(folder, cache.path))).toEqual([`${digest}.deb`]);
    await cache.sweep(['run2'], await cache.incomingFolders());
    expect(await cache.incomingFolders()).toEqual([]);
  });
});
