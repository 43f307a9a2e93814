import {open, type FileHandle} from 'node:fs/promises';
import {FileSource, sliceOf} from '../disk/byte-source.ts';
import {usedInFileSystem} from '../disk/used-ranges.ts';
import {PipelineError} from '../errors.ts';
import {findPacking, openUnpacked} from '../flash/decompress.ts';
import {readPieces} from './base-start.ts';
import type {Report} from './content-event.ts';
import type {ImageLayout} from './image-layout.ts';

const pieceBytes = 64 * 1024;
const zeros = Buffer.alloc(pieceBytes);

/** Where the parts of a base image go. */
export interface UnpackTarget {
  /** Everything in front of the data partition, at its place. */
  readonly image: string;
  /** The data partition alone: it grows as a file of its own. */
  readonly partition: string;
}

/**
 * Writes a base image, packed or not, into new sparse files: what is zero takes no room.
 *
 * @throws PipelineError `IMAGE_UNUSABLE` when it is damaged or shorter than its partition table says.
 */
export async function unpackBase(
  path: string,
  {partition}: ImageLayout,
  target: UnpackTarget,
  options: {readonly report: Report; readonly signal: AbortSignal},
): Promise<void> {
  const {startBytes, sizeBytes} = partition;
  const image = await open(target.image, 'wx');
  const data = await open(target.partition, 'wx');
  let position = 0;
  try {
    for await (const piece of await openBase(path)) {
      options.signal.throwIfAborted();
      const front = piece.subarray(0, Math.max(0, startBytes - position));
      await writeSparse(image, front, position);
      const inside = piece.subarray(front.length, Math.max(0, startBytes + sizeBytes - position));
      await writeSparse(data, inside, position + front.length - startBytes);
      position += piece.length;
      options.report(path, position);
    }
    await image.truncate(startBytes);
    await data.truncate(sizeBytes);
  } catch (error) {
    const {code, message} = error as NodeJS.ErrnoException;
    if (error instanceof PipelineError || options.signal.aborted || /^E[A-Z]+$/.test(code ?? '')) throw error;
    throw new PipelineError('IMAGE_UNUSABLE', `the base ${path} cannot be unpacked: ${message}`, {
      cause: error,
      hint: 'Get it anew: it is damaged.',
    });
  } finally {
    await image.close();
    await data.close();
  }
  if (position < startBytes + sizeBytes)
    throw new PipelineError(
      'IMAGE_UNUSABLE',
      `the base ${path} is cut off: it has ${position} bytes, and its partitions end at ${startBytes + sizeBytes}`,
      {hint: 'Get it anew.'},
    );
}

/** Puts a file system, which has a file of its own, to its place in the image. Only what is in use is copied. */
export async function insertPartition(image: string, startBytes: number, partition: string): Promise<void> {
  await using source = await FileSource.open(partition);
  const file = await open(image, 'r+');
  try {
    await file.truncate(startBytes + source.sizeBytes);
    const used = (await usedInFileSystem(sliceOf(source, 0, source.sizeBytes))) ?? [
      {start: 0, end: source.sizeBytes},
    ];
    for (const {start, end} of used) {
      for (let at = start; at < end; at += 16 * pieceBytes) {
        const piece = await source.read(at, Math.min(16 * pieceBytes, end - at));
        await writeSparse(file, piece, startBytes + at);
      }
    }
  } finally {
    await file.close();
  }
}

async function openBase(path: string): Promise<AsyncIterable<Buffer>> {
  await using source = await FileSource.open(path);
  const packing = findPacking(await source.read(0, 16));
  return packing === undefined ? readPieces(path) : (await openUnpacked(path, packing)).stream;
}

/** Writes what is not zero; the file must be new. */
async function writeSparse(file: FileHandle, bytes: Buffer, position: number): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    let end = at;
    while (end < bytes.length && !isZero(bytes.subarray(end, end + pieceBytes))) end += pieceBytes;
    end = Math.min(end, bytes.length);
    for (let done = at; done < end;)
      done += (await file.write(bytes, done, end - done, position + done)).bytesWritten;
    at = end === at ? at + pieceBytes : end;
  }
}

function isZero(piece: Buffer): boolean {
  return piece.equals(zeros.subarray(0, piece.length));
}
