import {open, readFile, rename, stat, symlink, truncate, utimes, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import fc from 'fast-check';
import {describe, expect, it} from 'vitest';
import {SparseFileWriter} from '../../../api/pipeline/sparse-stream.ts';
import {openNearFile} from '../../../volumes/near-file.ts';
import {ArtifactStore} from '../../../volumes/artifact-store.ts';
import {makeTempFolder} from '../api/temp-folder.ts';
import {LocalVolumeHost} from './local-volume-host.ts';
import {print, sha256, StoreRig} from './store-rig.ts';

/** A host whose volume this process believes to be at `near`. */
function hostOf(folder: string, near: string | undefined): LocalVolumeHost {
  const host = new LocalVolumeHost(folder);
  host.near = near;
  return host;
}

/** Copies a file as a delivery does; its digest. */
async function copy(host: LocalVolumeHost, path: string, to: string): Promise<string | undefined> {
  await using near = await openNearFile(host, path);
  if (near === undefined) return undefined;
  const target = await open(to, 'w');
  try {
    const writer = new SparseFileWriter(target);
    await near.read((chunk) => writer.write(chunk));
    return await writer.finish();
  } finally {
    await target.close();
  }
}

describe('a file of a volume on this machine', () => {
  it('is read with its holes, whatever they are', async () => {
    const folder = await makeTempFolder();
    const host = hostOf(folder, folder);
    const pieces = fc.array(
      fc.record({
        at: fc.integer({min: 0, max: 40}).map((block) => block * 65_536),
        bytes: fc.constantFrom(1, 4096, 70_000, 1_100_000),
      }),
      {maxLength: 4},
    );
    await fc.assert(
      fc.asyncProperty(pieces, fc.nat(3_000_000), async (given, size) => {
        const path = join(folder, 'file');
        const file = await open(path, 'w');
        for (const {at, bytes} of given) await file.write(Buffer.alloc(bytes, 'x'), 0, bytes, at);
        const {size: written} = await file.stat();
        await file.truncate(Math.max(written, size));
        await file.close();
        expect(await copy(host, 'file', join(folder, 'copy'))).toBe(sha256(await readFile(path)));
        // Not by the matcher: it takes seconds for such buffers.
        expect((await readFile(join(folder, 'copy'))).equals(await readFile(path))).toBe(true);
        expect((await stat(join(folder, 'copy'))).blocks).toBeLessThanOrEqual((await stat(path)).blocks);
      }),
      {numRuns: 12},
    );
  });

  it('is another one than a file of the same path and content on another machine', async () => {
    const [volume, here] = [await makeTempFolder(), await makeTempFolder()];
    for (const folder of [volume, here]) await writeFile(join(folder, 'file'), 'same');
    expect(await openNearFile(hostOf(volume, here), 'file')).toBeUndefined();
  });

  it('that was replaced meanwhile is another one', async () => {
    const folder = await makeTempFolder();
    await writeFile(join(folder, 'file'), 'old');
    const host = hostOf(folder, folder);
    const run = host.run.bind(host);
    host.run = async (script, args) => {
      await writeFile(join(folder, 'new'), 'new');
      await rename(join(folder, 'new'), join(folder, 'file'));
      return run(script, args);
    };
    expect(await openNearFile(host, 'file')).toBeUndefined();
  });

  it('is none where it is a link, a folder, absent, or nobody knows where the volume lies', async () => {
    const folder = await makeTempFolder();
    await writeFile(join(folder, 'file'), 'x');
    await symlink('file', join(folder, 'link'));
    const host = hostOf(folder, folder);
    for (const path of ['link', '.', 'absent']) expect(await openNearFile(host, path)).toBeUndefined();
    expect(await openNearFile(hostOf(folder, undefined), 'file')).toBeUndefined();
  });
});

describe('a store on this machine', () => {
  it('hands out the same stream as one on another', async () => {
    const rig = new StoreRig(await makeTempFolder());
    const entry = await rig.publish(print('a'), {disk: Buffer.alloc(3_000_000, 'data')});
    await truncate(join(rig.folder, rig.store.pathOf(entry), 'disk'), 9_000_000);
    const read = async (near: string | undefined) => {
      const store = new ArtifactStore(hostOf(rig.folder, near));
      const chunks: Buffer[] = [];
      await store.readFile(entry, 'disk', (chunk) => void chunks.push(Buffer.from(chunk)));
      return {isNear: await store.isNear(entry, 'disk'), bytes: sha256(Buffer.concat(chunks))};
    };
    const [near, far] = [await read(rig.folder), await read(undefined)];
    expect([near.isNear, far.isNear]).toEqual([true, false]);
    expect(near.bytes).toBe(far.bytes);
  });
});

describe('a file whose digest this process has seen', () => {
  it('is known until it changes, where it lies on this machine', async () => {
    const rig = new StoreRig(await makeTempFolder());
    const {fingerprint} = await rig.publish(print('a'), {disk: 'content'});
    const storeAt = (near: string | undefined) => new ArtifactStore(hostOf(rig.folder, near));
    const [here, elsewhere] = [storeAt(rig.folder), storeAt(undefined)];
    const entry = await here.find(fingerprint);
    if (entry === undefined) throw new Error('it was just published');
    expect(await here.findKnown(entry, 'disk')).toBeUndefined();
    for (const store of [here, elsewhere]) expect(await store.findCorrupt(entry)).toEqual([]);
    const known = await here.findKnown(entry, 'disk');
    expect(known).toMatchObject({path: join(rig.folder, here.pathOf(entry), 'disk')});
    expect(await known?.isSame()).toBe(true);
    expect(await elsewhere.findKnown(entry, 'disk')).toBeUndefined();

    const {atime, mtime} = await stat(known?.path ?? '');
    await writeFile(known?.path ?? '', 'CONTENT');
    await utimes(known?.path ?? '', atime, mtime);
    expect(await known?.isSame()).toBe(false);
    expect(await here.findKnown(entry, 'disk')).toBeUndefined();
    expect(await here.findCorrupt(entry)).toEqual(['disk']);
    expect(await here.findKnown(entry, 'disk')).toBeUndefined();
  });

  it('is one that has just been published', async () => {
    const rig = new StoreRig(await makeTempFolder());
    const store = new ArtifactStore(hostOf(rig.folder, rig.folder));
    const work = await store.openWork('w');
    await store.writeWork(work, 'disk', 'content');
    const files = await store.measureWork(work, ['disk']);
    const made = {step: 'blank_image', fingerprint: print('a'), inputs: {}, durationMs: 1};
    const entry = await store.publish(work, files, made);
    expect(await readFile((await store.findKnown(entry, 'disk'))?.path ?? '', 'utf8')).toBe('content');
  });
});
