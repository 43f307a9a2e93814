import {existsSync} from 'node:fs';
import {
  appendFile,
  chmod,
  chown,
  mkdir,
  readdir,
  readFile,
  rm,
  stat,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises';
import {join} from 'node:path';
import {describe, expect, it} from 'vitest';
import {isStorageFull} from '../../../volumes/artifact-store.ts';
import {VolumeScriptError} from '../../../volumes/volume-host.ts';
import {makeTempFolder} from '../api/temp-folder.ts';
import {print, sha256, StoreRig} from './store-rig.ts';

const makeRig = async (tools?: string) => new StoreRig(await makeTempFolder(), tools);

describe('publish and find', () => {
  it('finds what was published, from here and from another process', async () => {
    const rig = await makeRig();
    const entry = await rig.publish(print('a'), {'rootfs.tar.gz': 'content', 'packages.tsv': ''});
    expect(entry).toMatchObject({
      format: 1,
      step: 'root_fs',
      fingerprint: print('a'),
      files: [
        {name: 'packages.tsv', sizeBytes: 0, sha256: sha256('')},
        {name: 'rootfs.tar.gz', sizeBytes: 7, sha256: sha256('content')},
      ],
    });
    expect(await rig.store.find(print('a'))).toEqual(entry);
    expect(await rig.other().find(print('a'))).toEqual(entry);
    expect(await rig.store.find(print('b'))).toBeUndefined();
    expect(await readFile(join(rig.folder, rig.store.pathOf(entry), 'rootfs.tar.gz'), 'utf8')).toBe(
      'content',
    );
  });

  it('is empty where nothing was ever published', async () => {
    const rig = await makeRig();
    expect((await rig.store.entries()).size).toBe(0);
    expect(existsSync(rig.path())).toBe(false);
  });

  it('leaves no work folder behind', async () => {
    const rig = await makeRig();
    await rig.publish(print('a'), {a: 'x'});
    expect(await readdir(rig.path('work'))).toEqual([]);
  });

  it('publishes only what is named, not what else the step left', async () => {
    const rig = await makeRig();
    const work = await rig.work('run1.x', {wanted: '1', scratch: '2'});
    const files = await rig.store.measureWork(work, ['wanted']);
    const entry = await rig.store.publish(work, files, {
      step: 's',
      fingerprint: print('a'),
      inputs: {},
      durationMs: 1,
    });
    expect(await readdir(join(rig.folder, rig.store.pathOf(entry)))).toEqual(['wanted']);
  });

  it('replaces an entry of the same fingerprint as a whole', async () => {
    const rig = await makeRig();
    await rig.publish(print('a'), {old: '1', both: '1'});
    const entry = await rig.publish(print('a'), {both: '2', new: '2'});
    expect(await readdir(join(rig.folder, rig.store.pathOf(entry)))).toEqual(['both', 'new']);
    expect(await rig.other().find(print('a'))).toEqual(entry);
    expect(await rig.store.findCorrupt(entry)).toEqual([]);
  });

  it.each([
    'with spaces',
    '-rf',
    '--help',
    "it's",
    'a"b$(id)`id`',
    'ä€🏴',
    '*',
    '.hidden',
    '6.12.57+deb13-arm64.tar.gz',
  ])('takes the name %j', async (name) => {
    const rig = await makeRig();
    const work = await rig.work('run1.x', {[name]: 'content', other: ''});
    expect(new Set(await rig.store.listWork(work))).toEqual(new Set([name, 'other']));
    const entry = await rig.publish(print('a'), {[name]: 'content', other: ''});
    expect(entry.files.find((file) => file.name === name)).toEqual({
      name,
      sizeBytes: 7,
      sha256: sha256('content'),
    });
    expect(await rig.store.findCorrupt(entry)).toEqual([]);
    expect(await rig.store.readText(entry, name)).toBe('content');
  });

  it('keeps inputs as they were given, whatever is in them', async () => {
    const rig = await makeRig();
    const inputs = {settings: {A: {field: 'f', value: 'it\'s "a" $(test) `of` %s \\n\n€'}}};
    await rig.publish(print('a'), {a: 'x'}, {inputs});
    expect((await rig.other().find(print('a')))?.inputs).toEqual(inputs);
  });

  it('sees what another process published, after a refresh', async () => {
    const rig = await makeRig();
    const other = rig.other();
    expect(await other.find(print('a'))).toBeUndefined();
    await rig.publish(print('a'), {a: 'x'});
    await other.refresh();
    expect(await other.find(print('a'))).toBeDefined();
  });

  it.runIf(process.getuid?.() === 0)('gives everything to the owner of the folder', async () => {
    const rig = await makeRig();
    await chown(rig.folder, 1234, 1235);
    await rig.publish(print('a'), {a: 'x'});
    // `..` of the script: the volume's root is what a user maps.
    for (const path of [rig.path('index', `${print('a')}.json`), rig.path('entries', print('a'), 'a')]) {
      const {uid, gid} = await stat(path);
      expect({uid, gid}).toEqual({uid: 1234, gid: 1235});
    }
  });

  it('is readable for everybody, whatever rights the step gave and whatever the umask is', async () => {
    const rig = await makeRig();
    const before = process.umask(0o077);
    try {
      await rig.publish(print('a'), {a: 'x'});
    } finally {
      process.umask(before);
    }
    expect((await stat(rig.path('entries', print('a')))).mode & 0o777).toBe(0o755);
    expect((await stat(rig.path('index', `${print('a')}.json`))).mode & 0o777).toBe(0o644);
  });

  it('says that the volume is full', async () => {
    const tools = await makeTempFolder();
    await writeFile(
      join(tools, 'cat'),
      '#!/bin/sh\necho "cat: write error: No space left on device" >&2; exit 1\n',
    );
    await chmod(join(tools, 'cat'), 0o755);
    const rig = await makeRig(tools);
    const error: unknown = await rig.publish(print('a'), {a: 'x'}).catch((thrown: unknown) => thrown);
    expect(isStorageFull(error)).toBe(true);
    expect(isStorageFull(new VolumeScriptError(1, 'mv: Input/output error'))).toBe(false);
    expect(isStorageFull(new Error('No space left on device'))).toBe(false);
    expect(await rig.store.find(print('a'))).toBeUndefined();
    expect((await rig.other().entries()).size).toBe(0);
  });
});

describe('a kill while an entry is published', () => {
  /** Every program that the script may run: a kill may hit each of them. */
  const programs = ['cat', 'chown', 'mkdir', 'mv', 'rm', 'touch'];
  const content = {'a b': 'one', c: 'two'};
  const entry = {step: 's', fingerprint: print('a'), inputs: {}, durationMs: 1};

  /** Programs of which the n-th call kills the script, before or after it has done its work. */
  async function makeKillingTools(nth: number, when: 'before' | 'after'): Promise<string> {
    const tools = await makeTempFolder();
    for (const program of programs) {
      const real = `PATH='${process.env['PATH'] ?? ''}' ${program} "$@"`;
      await writeFile(
        join(tools, program),
        `#!/bin/sh
         [ -e '${tools}/armed' ] || { ${real}; exit; }
         echo x >>'${tools}/count'
         [ "$(wc -l <'${tools}/count')" -eq ${nth} ] || { ${real}; exit; }
         ${when === 'after' ? real : ''}
         kill -KILL $PPID\n`,
      );
      await chmod(join(tools, program), 0o755);
    }
    return tools;
  }

  /** Publishes `content` over `before` and kills that at the n-th command. False when it has no n-th command. */
  async function killPublish(
    nth: number,
    when: 'before' | 'after',
    before: Readonly<Record<string, string>> | undefined,
  ): Promise<StoreRig | undefined> {
    const tools = await makeKillingTools(nth, when);
    const rig = await makeRig(tools);
    if (before !== undefined) await rig.publish(print('a'), before);
    const work = await rig.work('dead.1', content);
    const files = await rig.store.measureWork(work, Object.keys(content));
    await writeFile(join(tools, 'armed'), '');
    try {
      await rig.store.publish(work, files, entry);
      return undefined;
    } catch (error) {
      expect(error).toBeInstanceOf(VolumeScriptError);
      return new StoreRig(rig.folder);
    }
  }

  it.each(['before', 'after'] as const)(
    '%s any of its commands leaves none or a complete one',
    async (when) => {
      const found: boolean[] = [];
      for (let nth = 1; ; nth++) {
        const after = await killPublish(nth, when, undefined);
        if (after === undefined) break;
        const left = await after.store.find(print('a'));
        found.push(left !== undefined);
        if (left !== undefined) expect(await after.store.findCorrupt(left)).toEqual([]);

        // Nothing of it is in the way of the next run, and a sweep leaves nothing of it.
        await after.store.sweep([]);
        expect(await readdir(after.path('work'))).toEqual([]);
        const again = await after.publish(print('a'), content);
        expect(await after.store.findCorrupt(again)).toEqual([]);
        expect(await after.other().find(print('a'))).toEqual(again);
      }
      // It exists from one moment on, and that moment is one of the last.
      expect(found.length).toBeGreaterThanOrEqual(10);
      expect(found).toEqual(found.toSorted((a, b) => Number(a) - Number(b)));
      expect(found.filter(Boolean)).toHaveLength(when === 'after' ? 2 : 1);
    },
  );

  it.each(['before', 'after'] as const)(
    '%s any of its commands never mixes an entry that is replaced with the new one',
    async (when) => {
      for (let nth = 1; ; nth++) {
        const after = await killPublish(nth, when, {'a b': 'old', gone: 'old'});
        if (after === undefined) break;
        const left = await after.store.find(print('a'));
        if (left !== undefined) expect(await after.store.findCorrupt(left)).toEqual([]);
      }
    },
  );
});

describe('an entry that took long to be written', () => {
  it('is not taken for left over by a sweep in the moment before it can be found', async () => {
    const tools = await makeTempFolder();
    // A disk that takes an hour.
    await writeFile(join(tools, 'chown'), '#!/bin/sh\nfor last; do :; done\ntouch -d "1 hour ago" "$last"\n');
    await chmod(join(tools, 'chown'), 0o755);
    const rig = await makeRig(tools);
    await rig.publish(print('a'), {a: 'x'});
    await rm(rig.path('index', `${print('a')}.json`));
    await rig.other().sweep([]);
    expect(await readdir(rig.path('entries'))).toEqual([print('a')]);
  });
});

describe('an index with something else in it', () => {
  it.each<[string, (path: string) => Promise<void>]>([
    ['half a file', (path) => truncate(path, 100)],
    ['an empty file', (path) => truncate(path, 0)],
    ['no JSON', (path) => writeFile(path, 'ahoy')],
    ['other JSON', (path) => writeFile(path, '[1]')],
    ['a file without digests', (path) => changeJson(path, {files: [{name: 'a', sizeBytes: 1}]})],
    ['a name with a folder in it', (path) => changeJson(path, {files: [file('../../etc/passwd')]})],
    ['a negative size', (path) => changeJson(path, {files: [{...file('a'), sizeBytes: -1}]})],
    ['another format', (path) => changeJson(path, {format: 2})],
    ['another fingerprint', (path) => changeJson(path, {fingerprint: print('c')})],
  ])('ignores %s, finds the others, and replaces it', async (_, damage) => {
    const rig = await makeRig();
    await rig.publish(print('a'), {a: 'x'});
    await rig.publish(print('b'), {a: 'x'});
    await damage(rig.path('index', `${print('a')}.json`));
    const entries = await rig.other().entries();
    expect([...entries.keys()]).toEqual([print('b')]);
    const again = await rig.publish(print('a'), {a: 'x'});
    expect(await rig.other().find(print('a'))).toEqual(again);
  });

  it('leaves the files of another format alone when it sweeps', async () => {
    const rig = await makeRig();
    await rig.publish(print('a'), {a: 'x'});
    await changeJson(rig.path('index', `${print('a')}.json`), {format: 2});
    await age(rig.path('entries', print('a')));
    await rig.other().sweep([]);
    expect(await readdir(rig.path('entries', print('a')))).toEqual(['a']);
  });

  const file = (name: string) => ({name, sizeBytes: 1, sha256: print('0')});

  async function changeJson(path: string, fields: object): Promise<void> {
    const content = JSON.parse(await readFile(path, 'utf8')) as object;
    await writeFile(path, JSON.stringify({...content, ...fields}));
  }
});

describe('findCorrupt', () => {
  it.each<[string, (path: string) => Promise<void>]>([
    ['one byte more', (path) => appendFile(path, 'x')],
    ['one byte less', (path) => truncate(path, 2)],
    ['another byte', (path) => writeFile(path, 'onE')],
    ['nothing', (path) => rm(path)],
    [
      'a folder',
      (path) =>
        rm(path)
          .then(() => mkdir(path))
          .then(() => undefined),
    ],
  ])('names the file that has become %s', async (_, damage) => {
    const rig = await makeRig();
    const entry = await rig.publish(print('a'), {'a b': 'one', c: 'two'});
    expect(await rig.store.findCorrupt(entry)).toEqual([]);
    await damage(rig.path('entries', print('a'), 'a b'));
    expect(await rig.store.findCorrupt(entry)).toEqual(['a b']);
    expect(await rig.store.findCorrupt(entry, ['c'])).toEqual([]);
  });

  it('names all of them when the folder is gone', async () => {
    const rig = await makeRig();
    const entry = await rig.publish(print('a'), {a: 'one', b: 'two'});
    await rm(rig.path('entries', print('a')), {recursive: true});
    expect(await rig.store.findCorrupt(entry)).toEqual(['a', 'b']);
  });
});

describe('a work folder', () => {
  it('is empty when it is made, also when an earlier attempt could not be removed', async () => {
    const rig = await makeRig();
    await rig.work('run1.x', {left: 'over'});
    expect(await rig.store.listWork(await rig.store.openWork('run1.x'))).toEqual([]);
  });

  it('can be entered by a container that runs as another user', async () => {
    const rig = await makeRig();
    const before = process.umask(0o077);
    const work = await rig.store.openWork('run1.x').finally(() => process.umask(before));
    expect((await stat(join(rig.folder, work.path))).mode & 0o777).toBe(0o755);
  });

  it('lists regular files only, and nothing in folders', async () => {
    const rig = await makeRig();
    const work = await rig.work('run1.x', {b: '', a: ''});
    await mkdir(join(rig.folder, work.path, 'folder'));
    await writeFile(join(rig.folder, work.path, 'folder', 'c'), '');
    expect(await rig.store.listWork(work)).toEqual(['a', 'b']);
  });

  it('is gone when it is discarded, twice is no error', async () => {
    const rig = await makeRig();
    const work = await rig.work('run1.x', {a: ''});
    await rig.store.discardWork(work);
    await rig.store.discardWork(work);
    expect(await readdir(rig.path('work'))).toEqual([]);
  });

  it('cannot be measured without the files that are asked for', async () => {
    const rig = await makeRig();
    const work = await rig.work('run1.x', {a: ''});
    await expect(rig.store.measureWork(work, ['a', 'missing'])).rejects.toThrow(VolumeScriptError);
  });

  it('measures many files, each with its own size and digest', async () => {
    const rig = await makeRig();
    const content = Object.fromEntries(Array.from({length: 40}, (_, i) => [`f${i}`, 'x'.repeat(i)]));
    const files = await rig.store.measureWork(await rig.work('run1.x', content), Object.keys(content));
    expect(files).toHaveLength(40);
    for (const {name, sizeBytes, sha256: digest} of files) {
      expect(sizeBytes).toBe(content[name]?.length);
      expect(digest).toBe(sha256(content[name] ?? ''));
    }
    expect(files.map((file) => file.name)).toEqual(files.map((file) => file.name).toSorted());
  });

  it('reads the digests of companions', async () => {
    const rig = await makeRig();
    const work = await rig.work('run1.x', {
      'a.img.sha256': `${print('1')}  a.img\n`,
      'b c.sha256': `${print('2')} *b c\n`,
      'bad.sha256': 'nothing of that kind\n',
    });
    const names = ['a.img.sha256', 'b c.sha256', 'bad.sha256'];
    expect(await rig.store.readCompanions(work, names)).toEqual(
      new Map([
        ['a.img', print('1')],
        ['b c', print('2')],
      ]),
    );
  });
});

describe('remove, sweep and destroy', () => {
  it('removes the entries that are named', async () => {
    const rig = await makeRig();
    for (const digit of ['a', 'b', 'c']) await rig.publish(print(digit), {a: digit});
    await rig.store.remove([print('a'), print('c'), print('d')]);
    expect([...(await rig.store.entries()).keys()]).toEqual([print('b')]);
    expect([...(await rig.other().entries()).keys()]).toEqual([print('b')]);
    expect(await readdir(rig.path('entries'))).toEqual([print('b')]);
  });

  it('removes nothing where no store is', async () => {
    const rig = await makeRig();
    await writeFile(join(rig.folder, 'mine'), '');
    await rig.store.remove([print('a')]);
    await rig.store.sweep([]);
    await rig.store.destroy();
    expect(await readdir(rig.folder)).toEqual(['mine']);
  });

  it('sweeps the work folders of dead runs and keeps those of living ones', async () => {
    const rig = await makeRig();
    await rig.work('dead.1', {a: ''});
    await rig.work('live.1', {a: ''});
    await rig.work('live.2', {a: ''});
    await rig.work('alive.1', {a: ''});
    await rig.store.sweep(['live', 'another']);
    expect(await readdir(rig.path('work'))).toEqual(['live.1', 'live.2']);
  });

  it('sweeps the files of entries that were never finished, unless one is just being published', async () => {
    const rig = await makeRig();
    await rig.publish(print('a'), {a: 'x'});
    for (const digit of ['b', 'c']) {
      await mkdir(rig.path('entries', print(digit)));
      await writeFile(rig.path('entries', print(digit), 'x'), '');
    }
    await age(rig.path('entries', print('a')));
    await age(rig.path('entries', print('b')));
    await rig.store.sweep([]);
    expect(await readdir(rig.path('entries'))).toEqual([print('a'), print('c')]);
    expect(await rig.store.findCorrupt((await rig.store.find(print('a'))) ?? fail())).toEqual([]);
  });

  it('destroys what is ours and leaves what is the user’s', async () => {
    const rig = await makeRig();
    await rig.publish(print('a'), {a: 'x'});
    await writeFile(join(rig.folder, 'mine'), '');
    await rig.store.destroy();
    expect(await readdir(rig.folder)).toEqual(['mine']);
    expect((await rig.store.entries()).size).toBe(0);
  });
});

function fail(): never {
  throw new Error('no such entry');
}

/** Makes a folder look as if nothing had happened in it for an hour. */
async function age(path: string): Promise<void> {
  const seconds = Date.now() / 1000 - 3600;
  await utimes(path, seconds, seconds);
}
