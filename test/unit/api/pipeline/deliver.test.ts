import {spawn, spawnSync} from 'node:child_process';
import {chmod, mkdir, readdir, readFile, stat, truncate, utimes, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {beforeEach, describe, expect, it, onTestFinished, vi} from 'vitest';
import {sha256File} from '../../../../api/archive/sha256-file.ts';
import type {PipelineEvent} from '../../../../api/events/event.ts';
import {deliver, hasContent, prepareTarget} from '../../../../api/pipeline/deliver.ts';
import {ArtifactStore} from '../../../../volumes/artifact-store.ts';
import {LocalVolumeHost} from '../../volumes/local-volume-host.ts';
import {print, sha256, StoreRig} from '../../volumes/store-rig.ts';
import {makeTempFolder} from '../temp-folder.ts';

const asRoot = it.runIf(process.getuid?.() === 0);

/** Does something as a user without rights. */
async function withoutRights<T>(action: () => Promise<T>): Promise<T> {
  process.seteuid?.(65_534);
  try {
    return await action();
  } finally {
    process.seteuid?.(0);
  }
}

const unusable = (why: string) =>
  expect.objectContaining({
    code: 'TARGET_UNUSABLE',
    message: expect.stringContaining(why) as string,
    hint: expect.any(String) as string,
  }) as Error;

describe('prepareTarget', () => {
  it('makes the folder with those above it and leaves nothing in it', async () => {
    const target = join(await makeTempFolder(), 'a', 'b');
    expect(await prepareTarget(target)).toBe(target);
    expect(await readdir(target)).toEqual([]);
  });

  it('leaves what lies there alone', async () => {
    const target = await makeTempFolder();
    await writeFile(join(target, 'mine'), 'x');
    await prepareTarget(target);
    expect(await readFile(join(target, 'mine'), 'utf8')).toBe('x');
  });

  it('refuses a file', async () => {
    const file = join(await makeTempFolder(), 'file');
    await writeFile(file, '');
    await expect(prepareTarget(file)).rejects.toThrow(unusable(`${file}: it is a file, not a folder`));
  });

  it('refuses a folder below a file', async () => {
    const file = join(await makeTempFolder(), 'file');
    await writeFile(file, '');
    await expect(prepareTarget(join(file, 'out'))).rejects.toThrow(
      unusable('a part of the path is a file, not a folder'),
    );
  });

  asRoot('refuses a folder that cannot be written', async () => {
    const folder = await makeTempFolder();
    await chmod(folder, 0o755);
    await withoutRights(() => expect(prepareTarget(folder)).rejects.toThrow(unusable('permission denied')));
    await withoutRights(() =>
      expect(prepareTarget(join(folder, 'new'))).rejects.toThrow(unusable('permission denied')),
    );
  });

  it('removes what processes that are gone left half copied, and nothing else', async () => {
    const {pid: gone} = spawnSync('true');
    const living = spawn('sleep', ['60'], {stdio: 'ignore'});
    onTestFinished(() => void living.kill());
    const target = await makeTempFolder();
    const kept = [
      `.hypriotkit-partial-${living.pid ?? 0}-rootfs.tar.gz`,
      `.hypriotkit-partial-${process.pid}-rootfs.tar.gz`,
      '.hypriotkit-partial-notes',
      'rootfs.tar.gz',
    ];
    for (const name of [...kept, `.hypriotkit-partial-${gone}-rootfs.tar.gz`])
      await writeFile(join(target, name), '');
    await prepareTarget(target);
    expect(new Set(await readdir(target))).toEqual(new Set(kept));
  });

  asRoot('keeps the half copy of a process of another user', async () => {
    const living = spawn('sleep', ['60'], {stdio: 'ignore'});
    onTestFinished(() => void living.kill());
    const target = await makeTempFolder();
    await chmod(target, 0o777);
    const name = `.hypriotkit-partial-${living.pid ?? 0}-x`;
    await writeFile(join(target, name), '');
    await withoutRights(() => prepareTarget(target));
    expect(await readdir(target)).toEqual([name]);
  });

  it('can be asked twice at once', async () => {
    const target = await makeTempFolder();
    await expect(Promise.all([prepareTarget(target), prepareTarget(target)])).resolves.toEqual([
      target,
      target,
    ]);
  });
});

describe('hasContent', () => {
  it.each<[string, string | undefined, boolean]>([
    ['the same content', 'content', true],
    ['other content of the same length', 'contenT', false],
    ['less', 'cont', false],
    ['nothing', undefined, false],
  ])('of %s', async (_, text, has) => {
    const path = join(await makeTempFolder(), 'file');
    if (text !== undefined) await writeFile(path, text);
    expect(await hasContent(path, {name: 'file', sizeBytes: 7, sha256: sha256('content')})).toBe(has);
  });

  it('is false for a folder', async () => {
    const folder = await makeTempFolder();
    const {size} = await stat(folder);
    expect(await hasContent(folder, {name: 'x', sizeBytes: size, sha256: sha256('')})).toBe(false);
  });
});

describe('sha256File', () => {
  it.each([0, 1, 1024 ** 2, 1024 ** 2 + 1])('reads all of %i bytes', async (bytes) => {
    const path = join(await makeTempFolder(), 'file');
    const content = Buffer.alloc(bytes, 'x');
    await writeFile(path, content);
    expect(await sha256File(path)).toBe(sha256(content));
  });
});

describe('deliver', () => {
  beforeEach(async () => {
    vi.stubEnv('XDG_CACHE_HOME', await makeTempFolder());
    onTestFinished(() => void vi.unstubAllEnvs());
  });

  const content = {'a.img': Buffer.alloc(3 * 1024 ** 2, 'a'), 'a b.txt': 'text', empty: ''};

  async function makeDelivery() {
    const rig = new StoreRig(await makeTempFolder());
    const entry = await rig.publish(print('a'), content);
    const target = await makeTempFolder();
    const events: PipelineEvent[] = [];
    const run = (signal = new AbortController().signal) =>
      deliver(rig.store, entry, entry.files, target, (event) => events.push(event), signal);
    const inVolume = (name: string) => rig.path('entries', print('a'), name);
    return {entry, target, events, run, inVolume};
  }

  it('copies every file and says what it did', async () => {
    const {entry, target, events, run} = await makeDelivery();
    const delivered = await run();
    expect(delivered).toEqual(
      entry.files.map((file) => ({
        ...file,
        step: 'root_fs',
        path: join(target, file.name),
        unchanged: false,
      })),
    );
    for (const [name, bytes] of Object.entries(content))
      expect((await readFile(join(target, name))).equals(Buffer.from(bytes))).toBe(true);
    expect((await readdir(target)).toSorted()).toEqual(Object.keys(content).toSorted());
    expect(events.filter((event) => event.type === 'artifact-delivered')).toHaveLength(3);
  });

  it('does not touch what is there already', async () => {
    const {target, run} = await makeDelivery();
    await run();
    await utimes(join(target, 'a.img'), 1000, 1000);
    const again = await run();
    expect(again.map((file) => file.unchanged)).toEqual([true, true, true]);
    expect((await stat(join(target, 'a.img'))).mtimeMs).toBe(1_000_000);
  });

  it('repairs what was changed in the target, also when size and times are the same', async () => {
    const {target, run} = await makeDelivery();
    await run();
    await run();
    const {atime, mtime} = await stat(join(target, 'a b.txt'));
    await writeFile(join(target, 'a b.txt'), 'tExt');
    await utimes(join(target, 'a b.txt'), atime, mtime);
    expect((await run()).find((file) => file.name === 'a b.txt')?.unchanged).toBe(false);
    expect(await readFile(join(target, 'a b.txt'), 'utf8')).toBe('text');
  });

  it('needs nothing of the volume when nothing changed', async () => {
    const {run, inVolume} = await makeDelivery();
    await run();
    await truncate(inVolume('a.img'), 0);
    expect((await run()).every((file) => file.unchanged)).toBe(true);
  });

  it.each<[string, (path: string) => Promise<void>]>([
    ['shorter', (path) => truncate(path, 5)],
    ['another one', (path) => writeFile(path, Buffer.alloc(3 * 1024 ** 2, 'b'))],
  ])('gives no name to a file that has become %s in the volume', async (_, damage) => {
    const {target, run, inVolume} = await makeDelivery();
    await damage(inVolume('a.img'));
    await expect(run()).rejects.toThrow(
      expect.objectContaining({
        code: 'ARTIFACT_CORRUPT',
        message: 'a.img of root_fs is damaged in the volume',
      }) as Error,
    );
    expect(await readdir(target)).not.toContain('a.img');
    expect((await readdir(target)).filter((name) => name.startsWith('.'))).toEqual([]);
  });

  it('keeps the older file until the new one is complete', async () => {
    const {target, run, inVolume} = await makeDelivery();
    await writeFile(join(target, 'a.img'), 'older');
    await truncate(inVolume('a.img'), 5);
    await expect(run()).rejects.toThrow('damaged');
    expect(await readFile(join(target, 'a.img'), 'utf8')).toBe('older');
  });

  it('says that a folder is in the way', async () => {
    const {target, run} = await makeDelivery();
    await mkdir(join(target, 'a.img'));
    await expect(run()).rejects.toThrow(
      expect.objectContaining({
        code: 'DELIVERY_FAILED',
        message: expect.stringContaining('a folder is in the way') as string,
      }) as Error,
    );
    expect((await readdir(target)).filter((name) => name.startsWith('.'))).toEqual([]);
  });

  it('stops when the user does, and leaves no half copy', async () => {
    const {target, run} = await makeDelivery();
    await expect(run(AbortSignal.abort())).rejects.toThrow(
      expect.objectContaining({name: 'AbortError'}) as Error,
    );
    expect((await readdir(target)).filter((name) => name.startsWith('.'))).toEqual([]);
  });
});

describe('deliver, for a file that comes packed, too', () => {
  beforeEach(async () => {
    vi.stubEnv('XDG_CACHE_HOME', await makeTempFolder());
    onTestFinished(() => void vi.unstubAllEnvs());
  });

  const hole = Buffer.alloc(1024 ** 2);
  const data = Buffer.alloc(1024 ** 2, 'some text ');
  const tail = Buffer.from('no whole block');

  /** Frames as pack-image makes them, by zstd itself. */
  async function packed(...pieces: Buffer[]): Promise<Buffer> {
    const folder = await makeTempFolder();
    for (const [index, piece] of pieces.entries()) await writeFile(join(folder, `piece-${index}`), piece);
    const frames = pieces.map(
      (_, index) => spawnSync('zstd', ['-q', '-c', join(folder, `piece-${index}`)]).stdout,
    );
    return Buffer.concat(frames);
  }

  async function makeDelivery(zst: Buffer) {
    const rig = new StoreRig(await makeTempFolder());
    const image = Buffer.concat([hole, data, hole, hole, data, tail]);
    const entry = await rig.publish(print('a'), {'a.img': image, 'a.img.zst': zst});
    const target = await makeTempFolder();
    const run = () =>
      deliver(rig.store, entry, entry.files, target, () => undefined, new AbortController().signal);
    return {image, target, run, inVolume: rig.path('entries', print('a'), 'a.img')};
  }

  it('makes it from that, holes included, and takes no more of it from the volume', async () => {
    const {image, target, run, inVolume} = await makeDelivery(
      await packed(hole, data, hole, hole, Buffer.concat([data, tail])),
    );
    await truncate(inVolume, 0);
    expect((await run()).map((file) => file.name)).toEqual(['a.img', 'a.img.zst']);
    expect((await readFile(join(target, 'a.img'))).equals(image)).toBe(true);
    expect((await stat(join(target, 'a.img'))).blocks * 512).toBeLessThan(image.length / 2);
  });

  it('copies it, and the rest, straight from a volume on this machine', async () => {
    const rig = new StoreRig(await makeTempFolder());
    const image = Buffer.concat([hole, data, hole, tail]);
    const entry = await rig.publish(print('a'), {'a.img': image, 'a.img.zst': await packed(data)});
    const host = new LocalVolumeHost(rig.folder);
    host.near = rig.folder;
    // What would send them.
    const stream = host.stream.bind(host);
    host.stream = (command, ...rest) =>
      command[0] === 'perl' ? Promise.reject(new Error('not through the engine')) : stream(command, ...rest);
    const target = await makeTempFolder();
    const {signal} = new AbortController();
    await deliver(new ArtifactStore(host), entry, entry.files, target, () => undefined, signal);
    expect((await readFile(join(target, 'a.img'))).equals(image)).toBe(true);
  });

  it.each<[string, () => Promise<Buffer>]>([
    ['something else', () => packed(data, data, data, data, data, data)],
    ['more', () => packed(hole, data, hole, hole, data, tail, data)],
    ['less', () => packed(hole, data, hole)],
    ['nothing', () => Promise.resolve(Buffer.alloc(0))],
    ['no zstd file', () => Promise.resolve(Buffer.alloc(5000, 'x'))],
    ['damaged', async () => (await packed(hole, data, hole, hole, data, tail)).fill(1, 60, 90)],
  ])('copies it when the packed form is %s', async (_, make) => {
    const {image, target, run} = await makeDelivery(await make());
    await run();
    expect((await readFile(join(target, 'a.img'))).equals(image)).toBe(true);
    expect((await readdir(target)).toSorted()).toEqual(['a.img', 'a.img.zst']);
  });
});

describe('deliver, for what this run has verified in a volume on this machine', () => {
  beforeEach(async () => {
    vi.stubEnv('XDG_CACHE_HOME', await makeTempFolder());
    onTestFinished(() => void vi.unstubAllEnvs());
  });

  async function makeDelivery() {
    const rig = new StoreRig(await makeTempFolder());
    const path = rig.path('entries', print('a'), 'a.img');
    const size = 8 * 1024 ** 2;
    const entry = await rig.publish(print('a'), {'a.img': Buffer.alloc(size, 'a', 'utf8').fill(0, 4096)});
    const host = new LocalVolumeHost(rig.folder);
    host.near = rig.folder;
    const store = new ArtifactStore(host);
    const target = await makeTempFolder();
    const run = (signal = new AbortController().signal) =>
      deliver(store, entry, entry.files, target, () => undefined, signal);
    return {entry, store, path, target, run, delivered: join(target, 'a.img')};
  }

  it('lets the kernel copy it, with its holes, and does not read it again', async () => {
    const {entry, store, path, run, delivered} = await makeDelivery();
    spawnSync('fallocate', ['--dig-holes', path]);
    expect(await store.findCorrupt(entry)).toEqual([]);
    const read = vi.spyOn(store, 'readFile');
    await run();
    expect(read).not.toHaveBeenCalled();
    expect(await sha256File(delivered)).toBe(entry.files[0]?.sha256);
    expect((await stat(delivered)).blocks).toBeLessThanOrEqual((await stat(path)).blocks);
  });

  it('notices what has changed since', async () => {
    const {entry, store, path, target, run} = await makeDelivery();
    expect(await store.findCorrupt(entry)).toEqual([]);
    const content = await readFile(path);
    content[5_000_000] = 1;
    await writeFile(path, content);
    await expect(run()).rejects.toMatchObject({message: 'a.img of root_fs is damaged in the volume'});
    expect(await readdir(target)).toEqual([]);
  });

  it('stops when the user does, and leaves no half copy', async () => {
    const {entry, store, target, run} = await makeDelivery();
    expect(await store.findCorrupt(entry)).toEqual([]);
    const stopped = new AbortController();
    vi.spyOn(store, 'findKnown').mockImplementation(() => {
      stopped.abort(new Error('stopped'));
      return ArtifactStore.prototype.findKnown.call(store, entry, 'a.img');
    });
    await expect(run(stopped.signal)).rejects.toThrow('stopped');
    expect(await readdir(target)).toEqual([]);
  });
});
