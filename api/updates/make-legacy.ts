import {join} from 'node:path';
import type {LegacyWork} from '../components/update-work.ts';
import {buildLegacyImage} from '../ota/legacy/build-legacy.ts';
import {parseLegacySigner} from '../ota/legacy/sign-legacy.ts';
import {openPayload} from './payload-rootfs.ts';
import type {UpdateRequest} from './update-request.ts';
import {writeDigest} from '../archive/write-digest.ts';

/** Makes an OTA image of the old format, as a tar, in which owners need no root. */
export async function makeLegacy(work: LegacyWork, request: UpdateRequest): Promise<readonly string[]> {
  const {folder, inputs, signing, epoch, signal, onProgress, onNotice} = request;
  const {card, kernel} = inputs;
  if (card === undefined || kernel === undefined) throw new Error('a legacy image needs a card and a kernel');
  if (signing === undefined) throw new Error('a legacy image is always signed');
  onProgress('packing and compressing files');
  const built = await buildLegacyImage({
    rootfs: await openPayload(card.path, kernel),
    output: join(folder, work.artifact),
    tar: {mtime: epoch},
    signKey: parseLegacySigner(
      {pem: signing.key, name: 'sign_key'},
      {pem: Buffer.from(signing.certificate), name: 'sign_cert'},
      signing.passphrase,
    ),
    signal,
  });
  for (const path of built.dropped) onNotice(`the legacy image lacks ${path}`);
  return writeDigest(folder, work.artifact);
}
