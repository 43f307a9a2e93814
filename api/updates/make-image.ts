import {writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {updateRecord, type ImageWork} from '../components/update-work.ts';
import {sha256File} from '../archive/sha256-file.ts';
import type {OtaProgress} from '../ota/image/write/progress.ts';
import {buildOtaImage} from '../ota/image/write/build-ota-image.ts';
import {keyIdOf, subjectOf} from './key-id.ts';
import {openPayload} from './payload-rootfs.ts';
import type {UpdateRecord} from './update-record.ts';
import type {UpdateRequest} from './update-request.ts';
import {writeDigest} from '../archive/write-digest.ts';

/** Makes a signed OTA image of the card, and a record of how the two belong together. */
export async function makeImage(work: ImageWork, request: UpdateRequest): Promise<readonly string[]> {
  const {folder, inputs, files, signing, epoch, signal, onProgress} = request;
  const {card, kernel} = inputs;
  if (card === undefined || kernel === undefined) throw new Error('an OTA image needs a card and a kernel');
  onProgress('reading the root file system');
  const output = join(folder, work.artifact);
  const built = await buildOtaImage({
    rootfs: await openPayload(card.path, kernel),
    output,
    annotations: work.annotations,
    ecus: work.ecus.map(({id, sysConfig}) => ({
      ecuId: id,
      sysConfigFile: files.find(({path}) => path === sysConfig)?.tree.entries[0]?.source,
    })),
    releaseKey: work.releaseKey,
    created: epoch,
    signing,
    skipBundle: work.skipBundle,
    skipCompression: work.skipCompression,
    skipSlice: work.skipSlice,
    tmpDir: folder,
    signal,
    onProgress: describeProgress(onProgress),
  });
  for (const {path, type} of built.dropped) request.onNotice(`the OTA image lacks ${path}: it is a ${type}`);
  const record: UpdateRecord = {
    image: {name: card.name, sha256: card.sha256},
    artifact: {name: work.artifact, sha256: await sha256File(output), size_bytes: built.sizeBytes},
    ecu_ids: built.ecuIds,
    release_key: built.releaseKey,
    blobs: {count: built.blobsCount, bytes: built.blobsSize},
    signed:
      signing === undefined
        ? false
        : {key_id: keyIdOf(signing.certificate), certificate: subjectOf(signing.certificate)},
  };
  await writeFile(join(folder, updateRecord), `${JSON.stringify(record, undefined, 2)}\n`);
  return [...(await writeDigest(folder, work.artifact, record.artifact.sha256)), updateRecord];
}

const phases = {
  hash: 'hashing files',
  store: 'storing files',
  compress: 'compressing files',
  pack: 'packing',
} as const;

/** Says what is done, and each tenth of it: every message is a line where nothing can be overwritten. */
function describeProgress(say: UpdateRequest['onProgress']): (progress: OtaProgress) => void {
  let last = '';
  return ({phase, done, total}) => {
    const tenths = total === 0 ? 0 : Math.floor((done / total) * 10);
    const message = tenths === 0 ? phases[phase] : `${phases[phase]}, ${tenths}0 %`;
    if (message !== last) say(message);
    last = message;
  };
}
