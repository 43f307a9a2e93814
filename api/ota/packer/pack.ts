import {formatTarHeader, endOfTar, zerosAfter} from '../../archive/tar-format.ts';
import {OutputFile} from '../../archive/output-file.ts';
import {publishFile, refuseExisting} from '../../archive/publish-file.ts';
import {checkImages, planBundle, roomBeside, type BundleManifest, type BundlePlan} from './bundle-plan.ts';
import type {PackerImage} from './packer-input.ts';
import {DataWriter} from './write-data.ts';

export interface PackOptions {
  readonly images: readonly PackerImage[];
  /** The tar to make. */
  readonly output: string;
  /** Time of the bundle in its manifest and in the tar: seconds since 1970. */
  readonly timestamp?: number | undefined;
  readonly force?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Packs OTA images into one bundle, which otaproxy takes as an external cache, and devices as an offline update. Each
 * content is in it once. The tar has the same bytes whenever it is made of the same images.
 *
 * @example
 * const manifest = await packBundle({images: [{ecuId: 'p1', location: 'p1.tgz', version: '1'}], output: 'bundle.tar'});
 * @throws {OtaError} for what is wrong in an image; PipelineError `OUTPUT_EXISTS`, `OUTPUT_UNUSABLE`
 */
export async function packBundle(options: PackOptions): Promise<BundleManifest> {
  const {images, output, timestamp = 0, force, signal} = options;
  checkImages(images);
  await refuseExisting(output, {force});
  let manifest: BundleManifest | undefined;
  await publishFile(output, {force}, async (temporary) => {
    await using plan = await planBundle({images, room: roomBeside(output), timestamp});
    manifest = plan.manifest;
    const file = await OutputFile.create(temporary);
    try {
      await writeBundleTar(file, plan, timestamp, signal);
      await file.finish({sync: false});
    } catch (error) {
      await file.abandon();
      throw error;
    }
  });
  if (manifest === undefined) throw new Error('a bundle without a manifest');
  return manifest;
}

async function writeBundleTar(
  output: OutputFile,
  {data, meta, manifestBytes}: BundlePlan,
  mtime: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const folder = (path: string) => output.write(formatTarHeader({path, type: 'folder', mtime}));
  const file = async (path: string, content: Buffer) => {
    await output.write(formatTarHeader({path: `./${path}`, type: 'file', sizeBytes: content.length, mtime}));
    await output.write(content);
    await output.write(zerosAfter(content.length));
  };
  using writer = new DataWriter(output);
  await folder('.');
  await folder('./data');
  for (const item of data) {
    signal?.throwIfAborted();
    const {sizeBytes} = item.stored;
    await output.write(formatTarHeader({path: `./data/${item.name}`, type: 'file', sizeBytes, mtime}));
    await writer.write(item);
    await output.write(zerosAfter(sizeBytes));
  }
  await file('manifest.json', manifestBytes);
  await folder('./meta');
  let last = '';
  for (const [path, content] of [...meta].sort(byIndexAndName)) {
    const index = path.split('/')[1] ?? '';
    if (index !== last) await folder(`./meta/${index}`);
    last = index;
    await file(path, content);
  }
  await output.write(endOfTar);
}

/** In the order of the images, then by name. */
function byIndexAndName([a]: readonly [string, Buffer], [b]: readonly [string, Buffer]): number {
  const [, left = '', ...leftName] = a.split('/');
  const [, right = '', ...rightName] = b.split('/');
  if (left !== right) return Number(left) - Number(right);
  return leftName.join('/') < rightName.join('/') ? -1 : 1;
}
