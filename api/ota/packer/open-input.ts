import {open, stat} from 'node:fs/promises';
import {join} from 'node:path';
import {ImageReader} from '../image/read/image-reader.ts';
import {readFile} from '../image/read/read-file.ts';
import {LegacyImage} from '../legacy/legacy-image.ts';
import {OtaError} from '../ota-error.ts';
import type {DataFile, PackerInput} from './packer-input.ts';

/**
 * Opens an image of either kind, which is told by what it holds.
 *
 * @throws {OtaError} NOT_AN_IMAGE, and what is wrong in the image
 */
export async function openInput(location: string, spoolParent: string): Promise<PackerInput> {
  return (await isImageV1(location)) ? openV1(location) : openLegacy(location, spoolParent);
}

async function isImageV1(location: string): Promise<boolean> {
  const found = await stat(location).catch((error: unknown) => {
    throw new OtaError('NOT_AN_IMAGE', `${location} does not exist`, {cause: error});
  });
  if (found.isDirectory()) {
    return stat(join(location, 'index.json')).then(
      () => true,
      () => false,
    );
  }
  const handle = await open(location);
  try {
    const {buffer, bytesRead} = await handle.read(Buffer.alloc(4), 0, 4, 0);
    return bytesRead === 4 && buffer.readUInt32LE(0) === 0x04034b50;
  } finally {
    await handle.close();
  }
}

async function openLegacy(location: string, spoolParent: string): Promise<PackerInput> {
  const image = await LegacyImage.open(location, spoolParent);
  try {
    const {metadata} = image.token;
    const data = new Map<string, DataFile>();
    for (const line of await image.regulars()) {
      const name = line.compression === undefined ? line.sha256 : `${line.sha256}.zst`;
      if (data.has(name)) continue;
      const stored = await image.stored(line);
      data.set(name, {
        name,
        stored,
        check:
          line.compression === undefined
            ? {kind: 'plain', sha256: line.sha256, label: line.path}
            : {kind: 'zst', line},
      });
    }
    const files = [
      metadata.regular,
      metadata.directory,
      metadata.symboliclink,
      metadata.persistent,
      metadata.certificate,
    ];
    const meta = new Map<string, Buffer>([['metadata.jwt', image.tokenBytes]]);
    for (const file of files) meta.set(file.file, await image.metaFile(file));
    return {
      metadataVersion: 1,
      data: [...data.values()],
      meta,
      [Symbol.asyncDispose]: () => image[Symbol.asyncDispose](),
    };
  } catch (error) {
    await image[Symbol.asyncDispose]();
    throw error;
  }
}

/** Devices ask for the blobs of a v1 image by their own digests, compressed or not. */
async function openV1(location: string): Promise<PackerInput> {
  const image = await ImageReader.open(location);
  try {
    const meta = new Map<string, Buffer>();
    for (const name of ['index.json', 'index.jwt', 'oci-layout']) {
      const content = await readFile(image.source, name);
      if (content !== undefined) meta.set(name, content);
    }
    const {local} = image.source;
    const data: DataFile[] = [];
    for (const [path, sizeBytes] of image.source.files() ?? []) {
      const [, sha256] = /^blobs\/sha256\/([0-9a-f]{64})$/.exec(path) ?? [];
      if (sha256 === undefined || local === undefined) continue;
      const stored =
        local.kind === 'folder'
          ? {path: join(local.folder, path), offset: 0, sizeBytes}
          : {path: local.file, offset: local.entries.get(path)?.dataOffset ?? -1, sizeBytes};
      if (stored.offset < 0) throw new OtaError('ZIP_INVALID', `${path} cannot be found in ${location}`);
      data.push({name: sha256, stored, check: {kind: 'plain', sha256, label: path}});
    }
    if (data.length === 0) throw new OtaError('NOT_AN_IMAGE', `${location} has no blobs`);
    return {metadataVersion: 2, data, meta, [Symbol.asyncDispose]: () => image[Symbol.asyncDispose]()};
  } catch (error) {
    await image[Symbol.asyncDispose]();
    throw error;
  }
}
