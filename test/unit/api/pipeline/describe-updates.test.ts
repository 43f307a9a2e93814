import {readFile, rm, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {setTimeout} from 'node:timers/promises';
import {beforeEach, expect, it} from 'vitest';
import {buildOtaImage} from '../../../../api/ota/image/index.ts';
import {describeUpdates} from '../../../../api/pipeline/describe-updates.ts';
import type {UpdateRecord} from '../../../../api/updates/update-record.ts';
import type {StoreEntry} from '../../../../volumes/store-entry.ts';
import {print, sha256, StoreRig} from '../../volumes/store-rig.ts';
import {makeTree} from '../ota/write/rootfs-tree.ts';
import {makeTempFolder} from '../temp-folder.ts';

const annotations = {
  'vnd.tier4.image.base-image': 'debian',
  'vnd.tier4.pilot-auto.platform.ecu.architecture': 'aarch64',
};
const {signal} = new AbortController();

let rig: StoreRig;
let folder: string;
let rootfs: string;
let notices: string[];

beforeEach(async () => {
  folder = await makeTempFolder();
  notices = [];
  rig = new StoreRig(await makeTempFolder());
  rootfs = await makeTree(folder);
});

/** Puts an OTA image of the root file system into the store, as the step would. */
async function publish(
  digit: string,
  {ecuId = 'main', releaseKey = 'dev'}: {ecuId?: string; releaseKey?: 'dev' | 'prd'} = {},
) {
  const output = join(folder, 'a.zip');
  await rm(output, {force: true});
  await buildOtaImage({rootfs, ecus: [{ecuId}], annotations, releaseKey, created: 1, output, workers: 0});
  const zip = await readFile(output);
  const record: UpdateRecord = {
    image: {name: 'x.img', sha256: print('0')},
    artifact: {name: 'a.zip', sha256: sha256(zip), size_bytes: zip.length},
    ecu_ids: [ecuId],
    release_key: releaseKey,
    blobs: {count: 1, bytes: 1},
    signed: false,
  };
  // Times of entries have milliseconds.
  await setTimeout(2);
  const entry = await rig.publish(
    print(digit),
    {'a.zip': zip, 'update.json': JSON.stringify(record)},
    {step: 'ota-bundler'},
  );
  return {entry, record};
}

async function describeOne(entry: StoreEntry) {
  const stored = [...(await rig.store.entries()).values()];
  const onNotice = (message: string) => notices.push(message);
  const places = {reader: rig.store, stored, folder: await makeTempFolder(), signal, onNotice};
  return (await describeUpdates(places, [entry]))[0];
}

it('an update is compared with the one before, by path', async () => {
  const first = await publish('a');
  expect(await describeOne(first.entry)).toEqual(first.record);
  await writeFile(join(rootfs, 'suid'), 'w'.repeat(300));
  await rm(join(rootfs, 'etc/65'));
  const second = await publish('b');
  const described = await describeOne(second.entry);
  expect(described).toMatchObject(second.record);
  expect(described?.previous).toMatchObject({
    artifact: first.record.artifact,
    built_at: first.entry.createdAt,
    paths: [{path: '/suid', size_bytes: 300}],
    removed: ['/etc/65'],
  });
  const {download, whole} = described?.previous ?? {};
  expect(download?.blobs).toBe(1);
  expect(whole?.bytes).toBeGreaterThan(download?.bytes ?? Infinity);
  // The older one has nothing before it.
  expect(await describeOne(first.entry)).toEqual(first.record);
});

it('nothing is compared with what other devices have, or with the same image', async () => {
  await publish('a', {ecuId: 'other'});
  await publish('b', {releaseKey: 'prd'});
  const third = await publish('c');
  expect(await describeOne(third.entry)).toEqual(third.record);
  expect(await describeOne((await publish('d')).entry)).toEqual(third.record);
});

it('one that is damaged is passed over, with a notice', async () => {
  const first = await publish('a');
  await writeFile(join(rootfs, 'suid'), 'w'.repeat(300));
  const second = await publish('b');
  await writeFile(rig.path('entries', second.entry.fingerprint, 'a.zip'), 'damaged');
  await writeFile(join(rootfs, 'suid'), 'v'.repeat(300));
  const third = await publish('c');
  expect((await describeOne(third.entry))?.previous?.artifact).toEqual(first.record.artifact);
  expect(notices).toEqual([
    `the update of ${second.entry.createdAt} cannot be read, so build.json does not compare with it: a.zip is gone or damaged`,
  ]);
});
