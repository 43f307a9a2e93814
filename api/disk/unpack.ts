import {createReadStream} from 'node:fs';
import {open, type FileHandle} from 'node:fs/promises';
import type {Readable} from 'node:stream';
import {createGunzip, createInflateRaw} from 'node:zlib';
import {FileSource} from './byte-source.ts';
import {DamagedError} from './file-system.ts';

const localHeaderBytes = 30;
const zeros = Buffer.alloc(64 * 1024);

/** Unpacks a gzip file. */
export async function unpackGzip(from: string, to: string): Promise<void> {
  await writeUnpacked(createReadStream(from), createGunzip(), to);
}

/**
 * Unpacks the first file of a zip (PKWARE, APPNOTE 4.3.7), stored or deflated.
 *
 * @throws DamagedError for any other file.
 */
export async function unpackZip(from: string, to: string): Promise<void> {
  await using source = await FileSource.open(from);
  const header = await source.read(0, localHeaderBytes);
  if (header.length < localHeaderBytes || header.readUInt32LE(0) !== 0x04034b50)
    throw new DamagedError('it is no zip');
  const method = header.readUInt16LE(8);
  const start = localHeaderBytes + header.readUInt16LE(26) + header.readUInt16LE(28);
  if (method === 8) {
    // The end of the deflate stream ends it; what follows in the file is the directory.
    await writeUnpacked(createReadStream(from, {start}), createInflateRaw(), to);
  } else if (method === 0) {
    const size = header.readUInt32LE(18);
    await writeStream(createReadStream(from, {start, end: start + size - 1}), to);
  } else {
    throw new DamagedError(`zip method ${method} is not understood`);
  }
}

async function writeUnpacked(
  from: Readable,
  through: NodeJS.ReadWriteStream & Readable,
  to: string,
): Promise<void> {
  from.once('error', (error) => through.destroy(error));
  from.pipe(through);
  try {
    await writeStream(through, to);
  } catch (error) {
    if (/^Z_/.test((error as NodeJS.ErrnoException).code ?? ''))
      throw new DamagedError((error as Error).message);
    throw error;
  } finally {
    from.destroy();
  }
}

/** Writes a stream to a file and leaves blocks of zeros as holes: disk images are mostly that. */
export async function writeStream(stream: AsyncIterable<unknown>, to: string): Promise<void> {
  const file = await open(to, 'w');
  try {
    let position = 0;
    for await (const chunk of stream) position = await writeSparse(file, chunk as Buffer, position);
    await file.truncate(position);
  } finally {
    await file.close();
  }
}

async function writeSparse(file: FileHandle, chunk: Buffer, position: number): Promise<number> {
  for (let at = 0; at < chunk.length; at += zeros.length) {
    const piece = chunk.subarray(at, at + zeros.length);
    if (piece.equals(zeros.subarray(0, piece.length))) continue;
    for (let done = 0; done < piece.length;) {
      const {bytesWritten} = await file.write(piece, done, piece.length - done, position + at + done);
      done += bytesWritten;
    }
  }
  return position + chunk.length;
}
