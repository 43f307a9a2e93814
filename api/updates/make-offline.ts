import {join} from 'node:path';
import type {OfflineWork} from '../components/update-work.ts';
import {packBundle} from '../ota/packer/pack.ts';
import type {UpdateRequest} from './update-request.ts';
import {writeDigest} from '../archive/write-digest.ts';

/** Packs an OTA image for devices without a network. */
export async function makeOffline(work: OfflineWork, request: UpdateRequest): Promise<readonly string[]> {
  const {folder, inputs, epoch, signal, onProgress} = request;
  const {image} = inputs;
  if (image === undefined) throw new Error('an offline bundle needs an image');
  onProgress('packing');
  await packBundle({
    // Several ECUs share the contents of one image.
    images: work.ecuIds.map((ecuId) => ({ecuId, location: image, version: work.version})),
    output: join(folder, work.artifact),
    timestamp: epoch,
    signal,
  });
  return writeDigest(folder, work.artifact);
}
