import {createHash} from 'node:crypto';
import {readStored, streamStored, type StoredFile} from '../../archive/stored-file.ts';
import {decompressStream} from '../image/zstd/decompress-stream.ts';
import {decompressWhole} from '../image/zstd/decompress.ts';
import {OtaError} from '../ota-error.ts';
import type {RegularLine} from './text-files.ts';

/** Compressed files up to this size are decompressed in memory, where that takes little of it. */
const mostInMemory = 2 * 1024 * 1024;
const mostUnpackedInMemory = 8 * 1024 * 1024;

/**
 * The content of a file of a legacy image, decompressed; whether it is the right one, `checkedContent` tells.
 *
 * @throws {OtaError} BLOB_CORRUPT, ZSTD_INVALID
 */
export async function* contentOf(line: RegularLine, stored: StoredFile): AsyncGenerator<Uint8Array, void> {
  if (line.compression === undefined) {
    yield* streamStored(stored);
    return;
  }
  const {sizeBytes, path} = line;
  if (sizeBytes === undefined) {
    throw new OtaError('METADATA_INVALID', `${path} is compressed, and regulars.txt does not give its size`);
  }
  const what = `${line.sha256}.zst`;
  const whole =
    stored.sizeBytes <= mostInMemory && sizeBytes <= mostUnpackedInMemory
      ? decompressWhole(readStored(stored), sizeBytes, what)
      : undefined;
  if (whole !== undefined) yield whole;
  else yield* decompressStream(copies(stored), sizeBytes, what);
}

/** Pieces that stay valid: a stream keeps some of them before they are used. */
async function* copies(stored: StoredFile): AsyncGenerator<Uint8Array, void> {
  for await (const piece of streamStored(stored)) yield Buffer.from(piece);
}

/**
 * Passes the content of a file on and checks its hash at the end.
 *
 * @throws {OtaError} BLOB_CORRUPT
 */
export async function* checkedContent(
  line: RegularLine,
  stored: StoredFile,
): AsyncGenerator<Uint8Array, void> {
  const hash = createHash('sha256');
  for await (const piece of contentOf(line, stored)) {
    hash.update(piece);
    yield piece;
  }
  checkHash(line, hash.digest('hex'));
}

/** Reads a file to its end and checks it; one whose hash is known already is not read. */
export async function checkContent(line: RegularLine, stored: StoredFile): Promise<void> {
  if (line.compression === undefined && stored.sha256 !== undefined) {
    checkHash(line, stored.sha256);
    return;
  }
  const content = checkedContent(line, stored);
  while ((await content.next()).done !== true);
}

/** @throws {OtaError} BLOB_CORRUPT */
export function checkHash({path, sha256}: RegularLine, found: string): void {
  if (found === sha256) return;
  throw new OtaError(
    'BLOB_CORRUPT',
    `${path} has other content (${found}) than regulars.txt says (${sha256})`,
  );
}
