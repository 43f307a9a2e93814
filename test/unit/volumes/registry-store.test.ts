import {createHash, randomBytes} from 'node:crypto';
import {open, readFile, stat, truncate, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {afterEach, beforeEach, describe, expect, it} from 'vitest';
import {ArtifactRepository} from '../../../api/registry/artifact-repository.ts';
import {parseRepository} from '../../../api/registry/repository-name.ts';
import {RegistryStore, type FoundEntry} from '../../../volumes/registry-store.ts';
import type {StoreEntry} from '../../../volumes/store-entry.ts';
import {DockerRegistry} from '../../registry/docker-registry.ts';
import {makeTempFolder} from '../api/temp-folder.ts';
import {WritableRegistry} from '../api/registry/writable-registry.ts';
import {print, StoreRig} from './store-rig.ts';

const mebibyte = 1024 ** 2;

/** What both registries, the real one and the stand-in, have to do. */
describe.each([
  ['docker-registry 2.8', () => DockerRegistry.start()],
  ['the stand-in', () => WritableRegistry.start()],
])('a store in %s', (_name, start) => {
  let registry: DockerRegistry | WritableRegistry;
  let repository: ArtifactRepository;
  let store: RegistryStore;
  let rig: StoreRig;
  beforeEach(async () => {
    registry = await start();
    repository = open1();
    store = new RegistryStore(repository);
    rig = new StoreRig(await makeTempFolder());
  });
  afterEach(async () => {
    await repository[Symbol.asyncDispose]();
    await registry[Symbol.asyncDispose]();
  });

  function open1(name = 'team/cache'): ArtifactRepository {
    return new ArtifactRepository(parseRepository(`${registry.host}/${name}`, 'test'));
  }

  const all = (entry: StoreEntry) => new Set(entry.files.map(({name}) => name));

  async function find(fingerprint: string): Promise<FoundEntry> {
    const found = await store.find(fingerprint);
    if (found === undefined || 'problem' in found) throw new Error(`not found: ${JSON.stringify(found)}`);
    return found;
  }

  it('finds what was sent, and brings it into another volume as it was, holes and all', async () => {
    const content = randomBytes(mebibyte);
    const entry = await rig.publish(print('a'), {'a.bin': content, empty: '', 'note.txt': 'ahoy\n'});
    const sparse = join(rig.folder, rig.store.pathOf(entry), 'a.bin');
    await truncate(sparse, 40 * mebibyte);
    const handle = await open(sparse, 'r+');
    await handle.write(Buffer.from('end'), 0, 3, 33 * mebibyte + 5);
    await handle.close();
    const [measured] = await rig.store.measureWork({path: rig.store.pathOf(entry)}, ['a.bin']);
    const files = entry.files.map((file) => (file.name === 'a.bin' ? (measured ?? file) : file));
    const changed = {...entry, files};
    const {sentBytes, totalBytes} = await store.push(changed, rig.store, all(entry));
    expect(totalBytes).toBeLessThan(4 * mebibyte);
    expect(sentBytes).toBe(totalBytes);

    expect(await store.find(print('b'))).toBeUndefined();
    const found = await find(print('a'));
    expect(found.entry).toEqual(changed);
    expect(await store.readText(found.entry, 'note.txt')).toBe('ahoy\n');
    const other = new StoreRig(await makeTempFolder());
    const admitted = await other.store.admit({...found, reader: store, from: 'REF'}, 'run.1');
    expect(admitted).toEqual({...changed, origin: 'REF'});
    const copy = join(other.folder, other.store.pathOf(changed), 'a.bin');
    expect((await readFile(copy)).equals(await readFile(sparse))).toBe(true);
    expect((await stat(copy)).blocks * 512).toBeLessThan(5 * mebibyte);
    expect(await other.other().find(print('a'))).toEqual(admitted);
  });

  it('sends nothing twice, and of a variant only what differs', async () => {
    // Always the same, as where it is cut follows from it: parts of random bytes have any size, up to all of them.
    const content = createHash('shake256', {outputLength: 6 * mebibyte})
      .update('content')
      .digest();
    const entry = await rig.publish(print('a'), {'a.img.zst': content});
    await store.push(entry, rig.store, all(entry));
    expect(await store.push(entry, rig.store, all(entry))).toMatchObject({sentBytes: 0});
    const variant = Buffer.concat([
      content.subarray(0, 3_000_000),
      Buffer.from('other'),
      content.subarray(3_000_000),
    ]);
    const second = await rig.publish(print('b'), {'a.img.zst': variant});
    const {sentBytes, totalBytes} = await store.push(second, rig.store, all(second));
    expect(totalBytes).toBe(variant.length);
    expect(sentBytes).toBeLessThan(5 * mebibyte);
  });

  it('keeps digests where files are not wanted, and small files all the same', async () => {
    const entry = await rig.publish(print('a'), {
      'large.tar': randomBytes(mebibyte),
      'packages.tsv': 'bash\n',
    });
    await store.push(entry, rig.store, new Set());
    const found = await find(print('a'));
    expect(found.entry.files).toEqual(entry.files);
    expect([...found.held]).toEqual(['packages.tsv']);
    await expect(store.readFile(found.entry, 'large.tar', () => undefined)).rejects.toThrow(
      /does not have all of/,
    );
    await store.push(entry, rig.store, all(entry));
    expect((await find(print('a'))).held.size).toBe(2);
  });

  it('keeps an image packed only, and unpacks it in the volume', async () => {
    const image = Buffer.alloc(6 * mebibyte);
    randomBytes(1000).copy(image, mebibyte);
    const folder = await makeTempFolder();
    await writeFile(join(folder, 'c.img'), image);
    const {execFileSync} = await import('node:child_process');
    const packed = execFileSync('zstd', ['-qc', join(folder, 'c.img')]);
    const entry = await rig.publish(print('c'), {'c.img': image, 'c.img.zst': packed});
    const {totalBytes} = await store.push(entry, rig.store, all(entry));
    expect(totalBytes).toBe(packed.length);
    const found = await find(print('c'));
    expect([...found.unpackedFrom]).toEqual([['c.img', 'c.img.zst']]);
    const other = new StoreRig(await makeTempFolder());
    const admitted = await other.store.admit({...found, reader: store, from: 'REF'}, 'run.1');
    expect(admitted?.files).toEqual(entry.files);
    expect(await other.store.findCorrupt(entry)).toEqual([]);
  });

  it('lists and removes entries with what speaks of them', async () => {
    for (const digit of ['a', 'b']) {
      const entry = await rig.publish(print(digit), {'x.txt': digit});
      await store.push(entry, rig.store, all(entry));
    }
    await store.writeNote(`${print('a')}.sig-1`, 'application/test', Buffer.from('{"n":1}'));
    expect((await store.readNote(`${print('a')}.sig-1`, 'application/test'))?.toString()).toBe('{"n":1}');
    expect(await store.readNote(`${print('a')}.sig-1`, 'application/other')).toBeUndefined();
    const listed = [];
    for await (const entry of store.list()) listed.push(entry);
    expect(listed.map(({fingerprint, step, notes}) => [fingerprint[0], step, notes.length]).sort()).toEqual([
      ['a', 'root_fs', 1],
      ['b', 'root_fs', 0],
    ]);
    const [first] = listed.filter(({notes}) => notes.length > 0);
    if (first !== undefined) await store.remove(first);
    expect(await store.find(print('a'))).toBeUndefined();
    expect(await store.readNote(`${print('a')}.sig-1`, 'application/test')).toBeUndefined();
    expect(await store.find(print('b'))).toBeDefined();
  });

  it('has one whole entry when two clients send the same at once', async () => {
    const entry = await rig.publish(print('a'), {'a.bin': randomBytes(3 * mebibyte), 'b.txt': 'ahoy'});
    await using second = open1();
    const sent = await Promise.all(
      [store, new RegistryStore(second)].map((one) => one.push(entry, rig.store, all(entry))),
    );
    for (const {sentBytes, totalBytes} of sent) expect(sentBytes).toBeLessThanOrEqual(totalBytes);
    const found = await find(print('a'));
    const other = new StoreRig(await makeTempFolder());
    expect(await other.store.admit({...found, reader: store, from: 'REF'}, 'run.1')).toBeDefined();
    expect(await other.store.findCorrupt(entry)).toEqual([]);
  });

  it('takes blobs over from another repository of the same registry', async () => {
    const entry = await rig.publish(print('a'), {'a.bin': randomBytes(mebibyte)});
    await store.push(entry, rig.store, all(entry));
    const reference = parseRepository(`${registry.host}/team/other`, 'test');
    await using other = new ArtifactRepository(reference, {mountFrom: 'team/cache'});
    const {sentBytes} = await new RegistryStore(other).push(entry, rig.store, all(entry));
    if (registry instanceof DockerRegistry) expect(sentBytes).toBe(0);
    expect(await new RegistryStore(other).find(print('a'))).toMatchObject({entry: {step: 'root_fs'}});
  });
});

describe('docker-registry 2.8', () => {
  const connect = (registry: DockerRegistry) =>
    new ArtifactRepository(parseRepository(`${registry.host}/team/cache`, 'test'));
  const all = (entry: StoreEntry) => new Set(entry.files.map(({name}) => name));

  it('that dies in the middle of a push has nothing that could be found, and gets the rest later', async () => {
    const folder = await makeTempFolder();
    const rig = new StoreRig(await makeTempFolder());
    const entry = await rig.publish(print('a'), {'a.bin': randomBytes(24 * mebibyte)});
    {
      await using registry = await DockerRegistry.start({folder});
      await using repository = connect(registry);
      let sent = 0;
      const pushed = new RegistryStore(repository).push(entry, rig.store, all(entry), () => {
        if (++sent === 3) void registry.stop();
      });
      await expect(pushed).rejects.toMatchObject({code: 'REGISTRY_FAILED'});
    }
    await using registry = await DockerRegistry.start({folder});
    await using repository = connect(registry);
    const store = new RegistryStore(repository);
    expect(await store.find(print('a'))).toBeUndefined();
    const {sentBytes, totalBytes} = await store.push(entry, rig.store, all(entry));
    expect(totalBytes).toBe(24 * mebibyte);
    expect(sentBytes).toBeLessThan(totalBytes);
    const found = await store.find(print('a'));
    if (found === undefined || 'problem' in found) throw new Error('not found');
    const other = new StoreRig(await makeTempFolder());
    expect(await other.store.admit({...found, reader: store, from: 'REF'}, 'run.1')).toBeDefined();
    expect(await other.store.findCorrupt(entry)).toEqual([]);
  });

  it('that is full takes nothing half, and keeps what it has', async () => {
    await using registry = await DockerRegistry.start({diskBytes: 8 * mebibyte});
    await using repository = connect(registry);
    const store = new RegistryStore(repository);
    const rig = new StoreRig(await makeTempFolder());
    const small = await rig.publish(print('a'), {'a.bin': randomBytes(mebibyte)});
    const large = await rig.publish(print('b'), {'b.bin': randomBytes(12 * mebibyte)});
    await store.push(small, rig.store, all(small));
    await expect(store.push(large, rig.store, all(large))).rejects.toMatchObject({
      code: 'REGISTRY_FAILED',
      hint: 'Is there room left on its disk? Its log says more.',
    });
    expect(await store.find(print('b'))).toBeUndefined();
    const found = await store.find(print('a'));
    if (found === undefined || 'problem' in found) throw new Error('not found');
    const other = new StoreRig(await makeTempFolder());
    expect(await other.store.admit({...found, reader: store, from: 'REF'}, 'run.1')).toBeDefined();
    expect(await other.store.findCorrupt(small)).toEqual([]);
  });
});
