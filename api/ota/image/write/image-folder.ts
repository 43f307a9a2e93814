import {randomBytes} from 'node:crypto';
import {readdir, readFile, rename, rm, stat, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import type {z} from 'zod';
import {OtaError} from '../../ota-error.ts';
import {keys} from '../model/annotation-keys.ts';
import type {Descriptor} from '../model/descriptor.ts';
import {digestFromHex, hexOf, isSha256Hex, sha256Hex, type Sha256Hex} from '../model/digest.ts';
import {ImageIndex} from '../model/image-index.ts';
import {readDocument, writeDocument} from '../model/json-document.ts';
import {blobPath, layout, ociLayoutText} from '../model/layout.ts';

/** An image that is being made: a folder on this machine. */
export class ImageFolder {
  readonly path: string;
  readonly blobsPath: string;

  private constructor(path: string) {
    this.path = path;
    this.blobsPath = join(path, layout.blobs);
  }

  /** @throws {OtaError} NOT_AN_IMAGE */
  static async open(path: string): Promise<ImageFolder> {
    const text = await readFile(join(path, layout.ociLayout), 'utf8').catch(() => '');
    const isFolder = async (name: string) =>
      (await stat(join(path, name)).catch(() => undefined))?.isDirectory();
    const hasIndex = (await stat(join(path, layout.index)).catch(() => undefined))?.isFile();
    if (
      text.replaceAll(/\s/g, '') !== ociLayoutText.replaceAll(' ', '') ||
      !hasIndex ||
      !(await isFolder(layout.blobs))
    ) {
      throw new OtaError('NOT_AN_IMAGE', `${path} is not the folder of an OTA image`, {
        hint: 'hypriotkit ota init makes one.',
      });
    }
    return new ImageFolder(path);
  }

  async readIndex(): Promise<ImageIndex> {
    return readDocument(ImageIndex, await readFile(this.#file(layout.index)), layout.index);
  }

  /** Replaces index.json at once: at no moment is there half of it. Gives its bytes. */
  async writeIndex(index: ImageIndex): Promise<Buffer> {
    const bytes = writeDocument(ImageIndex, index);
    await this.replace(layout.index, bytes);
    return bytes;
  }

  /** Writes a file of the image at once. */
  async replace(name: string, bytes: Uint8Array | string): Promise<void> {
    const temporary = this.#file(`.tmp_${randomBytes(4).toString('hex')}`);
    try {
      await writeFile(temporary, bytes, {mode: 0o644});
      await rename(temporary, this.#file(name));
    } catch (error) {
      await rm(temporary, {force: true});
      throw error;
    }
  }

  /** Sizes of the blobs by their names; other files are not blobs. */
  async listBlobs(): Promise<ReadonlyMap<Sha256Hex, number>> {
    const names = (await readdir(this.blobsPath)).filter(isSha256Hex);
    const sizes = new Map<Sha256Hex, number>();
    for (const name of names) sizes.set(name, (await stat(join(this.blobsPath, name))).size);
    return sizes;
  }

  /**
   * A document among the blobs, checked against its descriptor.
   * @throws {OtaError} BLOB_MISSING, BLOB_CORRUPT, METADATA_INVALID
   */
  async readDocument<T extends z.ZodType>(
    schema: T,
    descriptor: Descriptor,
    what: string,
  ): Promise<z.output<T>> {
    return readDocument(schema, await this.readBlob(descriptor), what);
  }

  /** @throws {OtaError} BLOB_MISSING, BLOB_CORRUPT */
  async readBlob({digest, size}: Descriptor): Promise<Buffer> {
    const hex = hexOf(digest);
    const bytes = await readFile(this.#file(blobPath(hex))).catch((cause: unknown) => {
      throw new OtaError('BLOB_MISSING', `The blob ${hex} is missing in ${this.path}`, {cause});
    });
    if (bytes.length !== size || digestFromHex(sha256Hex(bytes)) !== digest)
      throw new OtaError('BLOB_CORRUPT', `The blob ${hex} in ${this.path} is broken`);
    return bytes;
  }

  #file(name: string): string {
    return join(this.path, name);
  }
}

/** @throws {OtaError} ALREADY_FINALIZED */
export function requireNotFinalized(index: ImageIndex): void {
  if (index.annotations[keys.createdAt] === undefined) return;
  throw new OtaError('ALREADY_FINALIZED', 'Modifying an already finalized image is NOT allowed, abort!', {
    hint: 'Start again with hypriotkit ota init.',
  });
}
