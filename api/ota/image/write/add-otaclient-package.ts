import {cp, mkdir, readFile, rename, rm, stat} from 'node:fs/promises';
import {basename, join} from 'node:path';
import {OtaError} from '../../ota-error.ts';
import {wholeFile} from '../../rootfs/file-content.ts';
import type {Descriptor} from '../model/descriptor.ts';
import {digestFromHex, hexOf} from '../model/digest.ts';
import {entryKind} from '../model/image-index.ts';
import {readDocument, writeDocument} from '../model/json-document.ts';
import {artifactTypes, mediaTypes} from '../model/media-types.ts';
import {OtaclientManifest, ReleaseManifest} from '../model/otaclient-package.ts';
import {BlobStore} from './blob-store.ts';
import {ImageFolder, requireNotFinalized} from './image-folder.ts';

/**
 * Adds the packages of an otaclient release folder (manifest.json and the files that it names) to an image.
 * @throws {OtaError} NOT_AN_IMAGE, ALREADY_FINALIZED, INPUT_INVALID, also if the image has a package already
 */
export async function addOtaclientPackage(imagePath: string, releaseDir: string): Promise<void> {
  const image = await ImageFolder.open(imagePath);
  const index = await image.readIndex();
  requireNotFinalized(index);
  if (index.manifests.some((one) => entryKind(one) === 'otaclient-package'))
    throw new OtaError(
      'INPUT_INVALID',
      'The image has an otaclient package already, and only one is allowed',
    );
  const {manifest, bytes} = await readRelease(releaseDir);
  await using store = new BlobStore(image.blobsPath, {workers: 0});
  const config = store.storeBytes(bytes);
  const layers: OtaclientManifest['layers'] = [];
  for (const item of manifest.packages) {
    if (item.type !== 'squashfs') continue;
    const content = wholeFile(join(releaseDir, item.filename), item.size);
    const [hex] = await store.hash([content]);
    if (hex !== hexOf(item.checksum))
      throw new OtaError(
        'INPUT_INVALID',
        `${item.filename} is not what manifest.json says: its checksum differs`,
      );
    await store.store({content, hex});
    layers.push({
      size: item.size,
      digest: item.checksum,
      annotations: {
        version: item.version,
        type: item.type,
        architecture: item.architecture,
        size: item.size,
        checksum: item.checksum,
      },
      mediaType: mediaTypes.otaclientApp,
    });
  }
  const packageManifest = store.storeBytes(
    writeDocument(OtaclientManifest, {
      config: {size: config.size, digest: digestFromHex(config.hex), mediaType: mediaTypes.otaclientManifest},
      layers,
      annotations: {date: manifest.date},
      schemaVersion: 2,
      mediaType: mediaTypes.imageManifest,
    }),
  );
  const descriptor: Descriptor = {
    size: packageManifest.size,
    digest: digestFromHex(packageManifest.hex),
    mediaType: mediaTypes.otaclientManifest,
    artifactType: artifactTypes.otaclientPackage,
  };
  // The resource table stays the last entry.
  const isTable = (one: Descriptor) => entryKind(one) === 'resource-table';
  const others = index.manifests.filter((one) => !isTable(one));
  await image.writeIndex({...index, manifests: [...others, descriptor, ...index.manifests.filter(isTable)]});
  store.commit();
}

/**
 * Copies an otaclient release folder to where otaclients that only know the legacy format look for it.
 * @throws {OtaError} NOT_AN_IMAGE, ALREADY_FINALIZED, INPUT_INVALID, OUTPUT_EXISTS
 */
export async function addOtaclientPackageLegacy(imagePath: string, releaseDir: string): Promise<void> {
  const image = await ImageFolder.open(imagePath);
  requireNotFinalized(await image.readIndex());
  await readRelease(releaseDir);
  const folder = join(image.path, 'data/opt/ota');
  const target = join(folder, 'otaclient_release');
  if (await stat(target).catch(() => undefined))
    throw new OtaError('OUTPUT_EXISTS', `${target} already exists!`);
  const temporary = join(image.path, '.tmp_otaclient_release');
  try {
    await cp(releaseDir, temporary, {recursive: true, dereference: true});
    await mkdir(folder, {recursive: true});
    await rename(temporary, target);
  } finally {
    await rm(temporary, {recursive: true, force: true});
  }
}

async function readRelease(folder: string): Promise<{manifest: ReleaseManifest; bytes: Buffer}> {
  const bytes = await readFile(join(folder, 'manifest.json')).catch((cause: unknown) => {
    throw new OtaError(
      'INPUT_INVALID',
      `${folder} is no otaclient release folder: ${(cause as Error).message}`,
      {cause},
    );
  });
  const manifest = readDocument(ReleaseManifest, bytes, 'manifest.json of the release');
  for (const {filename, size, type} of manifest.packages) {
    // Others do not become part of the image.
    if (type !== 'squashfs') continue;
    const found = await stat(join(folder, filename)).catch(() => undefined);
    if (basename(filename) !== filename || !found?.isFile() || found.size !== size)
      throw new OtaError(
        'INPUT_INVALID',
        `The release folder has no ${filename} of ${size} bytes, as manifest.json says`,
      );
  }
  return {manifest, bytes};
}
