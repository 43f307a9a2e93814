import {dirname} from 'node:path';
import {OtaError} from '../ota-error.ts';
import {pythonJson} from '../legacy/metadata-jwt.ts';
import {openInput} from './open-input.ts';
import type {DataFile, PackerImage, PackerInput} from './packer-input.ts';

/** What manifest.json says, in the order of the reference. */
export interface BundleManifest {
  readonly schema_version: 1;
  readonly image_layout_version: 1;
  /** Seconds since 1970. */
  readonly build_timestamp: number;
  /** Bytes in `data/`, as they are stored. */
  readonly data_size: number;
  readonly data_files_num: number;
  readonly meta_size: number;
  readonly image_meta: readonly {
    readonly ecu_id: string;
    readonly image_version: string;
    readonly ota_metadata_version: number;
  }[];
}

/** Everything that goes into a bundle, before it is written. */
export interface BundlePlan extends AsyncDisposable {
  /** Each content once, sorted by name. */
  readonly data: readonly DataFile[];
  /** By path, as `meta/0/dirs.txt`. */
  readonly meta: ReadonlyMap<string, Buffer>;
  readonly manifest: BundleManifest;
  readonly manifestBytes: Buffer;
}

export interface PlanOptions {
  readonly images: readonly PackerImage[];
  /** Folder with room for the contents of compressed images. */
  readonly room: string;
  /** `build_timestamp`: seconds since 1970. */
  readonly timestamp: number;
}

/** Compressed images that are unpacked at the same time. */
const imagesAtOnce = 2;

/**
 * Reads all images and decides what the bundle holds; disposes of what it had to unpack.
 *
 * @throws {OtaError} what is wrong in an image
 */
export async function planBundle({images, room, timestamp}: PlanOptions): Promise<BundlePlan> {
  const inputs = await openAll(images, room);
  const data = new Map<string, DataFile>();
  const meta = new Map<string, Buffer>();
  for (const [index, input] of inputs.entries()) {
    for (const file of input.data) {
      const known = data.get(file.name);
      if (known === undefined) data.set(file.name, file);
    }
    for (const [name, content] of input.meta) meta.set(`meta/${index}/${name}`, content);
  }
  const sorted = [...data.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  const manifest: BundleManifest = {
    schema_version: 1,
    image_layout_version: 1,
    build_timestamp: timestamp,
    data_size: sorted.reduce((sum, {stored}) => sum + stored.sizeBytes, 0),
    data_files_num: sorted.length,
    meta_size: [...meta.values()].reduce((sum, {length}) => sum + length, 0),
    image_meta: images.map(({ecuId, version}, index) => ({
      ecu_id: ecuId,
      image_version: version,
      ota_metadata_version: inputs[index]?.metadataVersion ?? 1,
    })),
  };
  return {
    data: sorted,
    meta,
    manifest,
    manifestBytes: Buffer.from(pythonJson(manifest)),
    [Symbol.asyncDispose]: () => disposeAll(inputs),
  };
}

async function openAll(images: readonly PackerImage[], room: string): Promise<readonly PackerInput[]> {
  const inputs: PackerInput[] = [];
  for (let at = 0; at < images.length; at += imagesAtOnce) {
    const some = images.slice(at, at + imagesAtOnce);
    const opened = await Promise.allSettled(some.map(({location}) => openInput(location, room)));
    for (const result of opened) if (result.status === 'fulfilled') inputs.push(result.value);
    const failure = opened.find((result) => result.status === 'rejected');
    if (failure === undefined) continue;
    await disposeAll(inputs);
    throw failure.reason;
  }
  return inputs;
}

async function disposeAll(inputs: readonly PackerInput[]): Promise<void> {
  for (const input of inputs) await input[Symbol.asyncDispose]();
}

/**
 * Refuses a list of images that makes no bundle.
 *
 * @throws {OtaError} INPUT_INVALID
 */
export function checkImages(images: readonly PackerImage[]): void {
  if (images.length === 0) throw new OtaError('INPUT_INVALID', 'at least one image must be given');
  const ecus = new Set<string>();
  for (const {ecuId} of images) {
    if (ecuId === '')
      throw new OtaError('INPUT_INVALID', 'an ECU has no name: an image is ECU:PATH[:VERSION]');
    if (ecus.has(ecuId)) throw new OtaError('INPUT_INVALID', `there are two images for the ECU ${ecuId}`);
    ecus.add(ecuId);
  }
}

/** Where unpacked contents are kept meanwhile: beside the result, where there must be room for as much. */
export function roomBeside(output: string): string {
  return dirname(output);
}
