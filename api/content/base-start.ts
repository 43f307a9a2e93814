import {createReadStream} from 'node:fs';
import {Readable} from 'node:stream';
import {fileURLToPath} from 'node:url';
import {createInflateRaw} from 'node:zlib';
import {ArchiveError} from '../archive/archive-error.ts';
import {compressionOf, decompress} from '../archive/decompress.ts';
import {bufferSource, FileSource, type ByteSource} from '../disk/byte-source.ts';
import {PipelineError} from '../errors.ts';
import {findPacking} from '../flash/decompress.ts';
import {fetchBeginning} from './fetch-beginning.ts';
import {bytesBeforeContent, readImageLayout, type ImageLayout} from './image-layout.ts';

/** Enough of a packed image for the first sector of it. */
const startBytes = 1024 * 1024;
const sectorBytes = 512;

/** What the first bytes of a base image tell. */
export interface BaseStart {
  readonly layout: ImageLayout;
  /** Bytes in front of the content. */
  readonly rootBytes: number;
}

/**
 * Looks at the partition table of a base image without fetching more of it than its first megabyte.
 *
 * @param path Where it lies on this machine already.
 * @throws PipelineError `IMAGE_UNUSABLE`, `DOWNLOAD_FAILED`
 */
export async function readBaseStart(
  url: string,
  path: string | undefined,
  signal: AbortSignal,
): Promise<BaseStart> {
  const local = path ?? (url.startsWith('file:') ? fileURLToPath(url) : undefined);
  const head = local === undefined ? await fetchBeginning(url, startBytes, signal) : await readStart(local);
  if (findPacking(head) !== undefined) {
    const layout = await readImageLayout(await unpackStart(head, url), url);
    return {layout, rootBytes: await bytesBeforeContent(layout)};
  }
  if (local === undefined) {
    const layout = await readImageLayout(bufferSource(head), url);
    return {layout, rootBytes: await bytesBeforeContent(layout)};
  }
  await using image = await FileSource.open(local);
  const layout = await readImageLayout(image, url);
  return {layout, rootBytes: await bytesBeforeContent(layout, image)};
}

async function readStart(path: string): Promise<Buffer> {
  await using source = await FileSource.open(path).catch((error: unknown) => {
    const {code, message} = error as NodeJS.ErrnoException;
    const why = code === 'ENOENT' ? 'does not exist' : `cannot be read: ${message}`;
    throw new PipelineError('DOWNLOAD_FAILED', `the base ${path} ${why}`, {cause: error});
  });
  return await source.read(0, startBytes);
}

/** The first sector of a packed image. */
async function unpackStart(head: Buffer, url: string): Promise<ByteSource> {
  const pieces: Buffer[] = [];
  let length = 0;
  try {
    const input = Readable.from([head], {objectMode: false});
    const unpacked = findPacking(head) === 'zip' ? inflate(head) : decompress(input, compressionOf(head));
    for await (const piece of unpacked) {
      pieces.push(Buffer.from(piece));
      if ((length += piece.length) >= sectorBytes) break;
    }
  } catch (error) {
    // It is cut off, of course; but what came before has to be there.
    if (!(error instanceof ArchiveError) && !/^Z_/.test((error as NodeJS.ErrnoException).code ?? ''))
      throw error;
  }
  if (length < sectorBytes)
    throw new PipelineError('IMAGE_UNUSABLE', `the base ${url} cannot be unpacked: it is damaged`, {
      hint: 'Get it anew.',
    });
  return bufferSource(Buffer.concat(pieces));
}

/** The first file of a zip (PKWARE, APPNOTE 4.3.7). */
function inflate(head: Buffer): AsyncIterable<Buffer> {
  const start = 30 + head.readUInt16LE(26) + head.readUInt16LE(28);
  const content = Readable.from([head.subarray(start)], {objectMode: false});
  return head.readUInt16LE(8) === 0 ? content : content.pipe(createInflateRaw());
}

/** The bytes of a file, in large pieces. */
export function readPieces(path: string): AsyncIterable<Buffer> {
  return createReadStream(path, {highWaterMark: 1024 * 1024}) as AsyncIterable<Buffer>;
}
