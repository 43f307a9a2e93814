import {createReadStream} from 'node:fs';
import {Readable} from 'node:stream';
import * as zlib from 'node:zlib';
import {PipelineError} from '../errors.ts';
import {readThroughProgram} from './read-through-program.ts';
import {openZippedImage} from './zipped-image.ts';

/** How an image is packed. */
export type Packing = 'zip' | 'gzip' | 'xz' | 'zstd';

const magics: readonly (readonly [Packing, string])[] = [
  ['zip', '504b0304'],
  ['gzip', '1f8b08'],
  ['xz', 'fd377a585a00'],
  ['zstd', '28b52ffd'],
];

/** How a file is packed, by its first bytes; undefined when it is not. */
export function findPacking(head: Buffer): Packing | undefined {
  return magics.find(([, magic]) => head.toString('hex').startsWith(magic))?.[0];
}

/** An image on its way out of its packing. */
export interface Unpacked {
  readonly stream: AsyncIterable<Buffer>;
  /** Where the packing tells it. */
  readonly sizeBytes?: number;
}

/**
 * Opens a packed image. Damage shows as an error of the stream.
 *
 * @throws PipelineError `IMAGE_UNUSABLE`
 */
export async function openUnpacked(path: string, packing: Packing): Promise<Unpacked> {
  switch (packing) {
    case 'zip':
      return openZippedImage(path);
    case 'gzip':
      return {stream: piped(path, zlib.createGunzip())};
    case 'xz':
      return {stream: await openXz(path)};
    case 'zstd':
      return {stream: await openZstd(path)};
  }
}

/** The program is three times as fast as what can be had without it. */
async function openXz(path: string): Promise<AsyncIterable<Buffer>> {
  const program = await readThroughProgram('xz', ['--decompress', '--stdout', '--threads=0', '--', path]);
  if (program !== undefined) return program;
  const {XzReadableStream} = await import('xz-decompress');
  const input = Readable.toWeb(createReadStream(path)) as ReadableStream<Uint8Array>;
  return buffersOf(Readable.fromWeb(new XzReadableStream(input) as Parameters<typeof Readable.fromWeb>[0]));
}

/** Node.js has it from 22.15 on. */
interface WithZstd {
  readonly createZstdDecompress?: () => NodeJS.ReadWriteStream & Readable;
}

async function openZstd(path: string): Promise<AsyncIterable<Buffer>> {
  const create = (zlib as WithZstd).createZstdDecompress;
  if (create !== undefined) return piped(path, create());
  const program = await readThroughProgram('zstd', ['--decompress', '--stdout', '--quiet', '--', path]);
  if (program !== undefined) return program;
  throw new PipelineError('IMAGE_UNUSABLE', `${path} cannot be unpacked: there is no zstd on this machine`, {
    hint: 'Install it (apt-get install zstd), use Node.js 22.15 or newer, or take the .img or the .zip.',
  });
}

function piped(path: string, through: NodeJS.ReadWriteStream & Readable): AsyncIterable<Buffer> {
  const from = createReadStream(path, {highWaterMark: 1024 * 1024});
  from.once('error', (error) => through.destroy(error));
  through.once('close', () => from.destroy());
  return buffersOf(from.pipe(through));
}

async function* buffersOf(stream: AsyncIterable<unknown>): AsyncGenerator<Buffer> {
  for await (const chunk of stream) {
    const {buffer, byteOffset, byteLength} = chunk as Uint8Array;
    yield Buffer.from(buffer, byteOffset, byteLength);
  }
}
