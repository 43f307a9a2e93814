import {createHash} from 'node:crypto';
import {OtaError} from '../../ota-error.ts';
import type {Descriptor} from '../model/descriptor.ts';
import {hexOf, type Sha256Hex} from '../model/digest.ts';
import {blobPath} from '../model/layout.ts';
import {missing} from './blob-errors.ts';
import type {ImageSource} from './image-source.ts';

/** Room for the largest index that makes sense; a document of an image is a few kilobytes. */
const maxDocumentSize = 64 * 1024 * 1024;

/** All bytes of a small file, or undefined if it is not there. */
export async function readFile(
  source: ImageSource,
  path: string,
  limit = maxDocumentSize,
): Promise<Buffer | undefined> {
  const pieces = await source.read(path, limit);
  if (!pieces) return undefined;
  const collected: Uint8Array[] = [];
  for await (const piece of pieces) collected.push(piece);
  return Buffer.concat(collected);
}

/**
 * The bytes that a descriptor points to, all of them checked.
 * @throws {OtaError} BLOB_MISSING, BLOB_CORRUPT
 */
export async function readBlob(
  source: ImageSource,
  descriptor: Pick<Descriptor, 'digest' | 'size'>,
): Promise<Buffer> {
  const collected: Uint8Array[] = [];
  for await (const piece of streamBlob(source, hexOf(descriptor.digest), descriptor.size))
    collected.push(piece);
  return Buffer.concat(collected);
}

/**
 * The bytes of a blob in pieces; the last one is not given before size and digest were found right.
 * @throws {OtaError} BLOB_MISSING, BLOB_CORRUPT
 */
export async function* streamBlob(
  source: ImageSource,
  hex: Sha256Hex,
  size?: number,
): AsyncGenerator<Uint8Array> {
  const path = blobPath(hex);
  const pieces = await source.read(path, size ?? Number.MAX_SAFE_INTEGER);
  if (!pieces) throw missing(path, source.location);
  const hash = createHash('sha256');
  let length = 0;
  let held: Uint8Array | undefined;
  for await (const piece of pieces) {
    if (held) yield held;
    hash.update(piece);
    length += piece.length;
    held = piece;
  }
  if (size !== undefined && length !== size) {
    throw new OtaError('BLOB_CORRUPT', `${path} has ${length} bytes instead of ${size}`);
  }
  const found = hash.digest('hex');
  if (found !== hex) throw new OtaError('BLOB_CORRUPT', `${path} is broken: its SHA-256 is ${found}`);
  if (held) yield held;
}
