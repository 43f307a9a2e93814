import {open, rename, rm} from 'node:fs/promises';
import {asOtaError} from '../../io-error.ts';
import type {Descriptor} from '../model/descriptor.ts';
import type {Sha256Hex} from '../model/digest.ts';
import type {ImageSource} from './image-source.ts';
import {readTable} from './open-table.ts';
import {streamBlob} from './read-file.ts';

/**
 * Saves a blob as a file, replacing one of that name only when all of it was found right.
 * @throws {OtaError} BLOB_MISSING, BLOB_CORRUPT, IO_FAILED
 */
export async function saveBlob(source: ImageSource, hex: Sha256Hex, file: string): Promise<void> {
  await saveAll(streamBlob(source, hex), file);
}

/**
 * Saves a file table or resource table as an SQLite file, replacing one of that name.
 * @throws {OtaError} BLOB_MISSING, BLOB_CORRUPT, ZSTD_INVALID, IO_FAILED
 */
export async function saveTable(source: ImageSource, descriptor: Descriptor, file: string): Promise<void> {
  const bytes = await readTable(source, descriptor, 'The table');
  await saveAll(bytes instanceof Uint8Array ? [bytes] : bytes, file);
}

async function saveAll(
  pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  file: string,
): Promise<void> {
  const partial = `${file}.partial`;
  try {
    const handle = await open(partial, 'w');
    try {
      for await (const piece of pieces) await handle.writeFile(piece);
    } finally {
      await handle.close();
    }
    await rename(partial, file);
  } catch (error) {
    await rm(partial, {force: true});
    throw asOtaError(error);
  }
}
