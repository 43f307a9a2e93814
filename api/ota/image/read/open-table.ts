import {Readable} from 'node:stream';
import {OtaError} from '../../ota-error.ts';
import type {Descriptor} from '../model/descriptor.ts';
import {decompressStream} from '../zstd/decompress-stream.ts';
import {decompressWhole} from '../zstd/decompress.ts';
import {FrameScanner} from '../zstd/frame-scanner.ts';
import type {ImageSource} from './image-source.ts';
import {readBlob} from './read-file.ts';

/** Nothing else says how large a table may be; ten million files need about 2 GiB. */
const maxTableSize = 4 * 1024 * 1024 * 1024;

/**
 * The database file behind a table's descriptor, checked and decompressed.
 * @throws {OtaError} BLOB_MISSING, BLOB_CORRUPT, ZSTD_INVALID, TABLE_INVALID if it is too large
 */
export async function readTable(
  source: ImageSource,
  descriptor: Descriptor,
  what: string,
): Promise<Uint8Array | AsyncIterable<Uint8Array>> {
  if (!descriptor.mediaType.endsWith('+zstd')) return readBlob(source, descriptor);
  const frame = await readBlob(source, descriptor);
  const scanner = new FrameScanner(what);
  scanner.push(frame);
  scanner.end();
  const size = scanner.contentSize;
  if (size === undefined || size > maxTableSize) {
    throw new OtaError(
      'TABLE_INVALID',
      `${what} ${size === undefined ? 'does not say how large it is' : 'is larger than 4 GiB'}`,
    );
  }
  return decompressWhole(frame, size, what) ?? decompressStream(Readable.from([frame]), size, what);
}
