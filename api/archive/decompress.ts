import {spawn} from 'node:child_process';
import {createReadStream} from 'node:fs';
import {open} from 'node:fs/promises';
import {Readable} from 'node:stream';
import {createGunzip} from 'node:zlib';
import {PipelineError} from '../errors.ts';
import {ArchiveError} from './archive-error.ts';

export type Compression = 'none' | 'gzip' | 'bzip2' | 'zstd' | 'xz';

const magics: readonly (readonly [Compression, string])[] = [
  ['gzip', '1f8b'],
  ['bzip2', '425a68'],
  ['zstd', '28b52ffd'],
  ['xz', 'fd377a585a00'],
];

/** How a file is compressed, by its first bytes and not by its name. */
export async function detectCompression(path: string): Promise<Compression> {
  const handle = await open(path, 'r');
  try {
    const {buffer, bytesRead} = await handle.read(Buffer.alloc(6), 0, 6, 0);
    return compressionOf(buffer.subarray(0, bytesRead));
  } finally {
    await handle.close();
  }
}

/** How bytes are compressed, by the first of them. */
export function compressionOf(bytes: Buffer): Compression {
  const hex = bytes.subarray(0, 6).toString('hex');
  return magics.find(([, magic]) => hex.startsWith(magic))?.[0] ?? 'none';
}

/**
 * The decompressed bytes of a file.
 *
 * @throws ArchiveError while it is read, when it is damaged or cut off; PipelineError `TOOL_MISSING`.
 */
export function decompressFile(path: string, compression: Compression): AsyncIterable<Uint8Array> {
  return decompress(createReadStream(path, {highWaterMark: 512 * 1024}), compression);
}

/** The same for a stream. */
export function decompress(input: Readable, compression: Compression): AsyncIterable<Uint8Array> {
  switch (compression) {
    case 'none':
      return input as AsyncIterable<Uint8Array>;
    case 'gzip':
      return gunzip(input);
    case 'bzip2':
      return bunzip2(input);
    case 'zstd':
      return throughTool(input, 'zstd', ['-dc', '--memory=128MB', '--quiet']);
    case 'xz':
      return unxz(input);
  }
}

async function* gunzip(input: Readable): AsyncGenerator<Uint8Array, void> {
  const unpacked = createGunzip({chunkSize: 512 * 1024});
  input.once('error', (error) => unpacked.destroy(error));
  input.pipe(unpacked);
  try {
    for await (const chunk of unpacked) yield chunk as Buffer;
  } catch (error) {
    if (/^Z_/.test((error as NodeJS.ErrnoException).code ?? '')) {
      throw new ArchiveError(`the gzip data is damaged (${(error as Error).message})`);
    }
    throw error;
  } finally {
    input.destroy();
    unpacked.destroy();
  }
}

/** With the tool where there is one: it is ten times as fast as JavaScript. */
async function* bunzip2(input: Readable): AsyncGenerator<Uint8Array, void> {
  try {
    yield* throughTool(input, 'bzip2', ['-dc', '-q']);
    return;
  } catch (error) {
    if (!(error instanceof PipelineError)) throw error;
  }
  const {default: unbzip2} = await import('unbzip2-stream');
  try {
    for await (const chunk of input.pipe(unbzip2()) as AsyncIterable<Buffer>) yield chunk;
  } catch (error) {
    throw new ArchiveError(`the bzip2 data is damaged (${(error as Error).message})`);
  } finally {
    input.destroy();
  }
}

/** With the tool where there is one: it is three times as fast as WebAssembly. */
async function* unxz(input: Readable): AsyncGenerator<Uint8Array, void> {
  try {
    yield* throughTool(input, 'xz', ['-dc', '-T1', '-q']);
    return;
  } catch (error) {
    if (!(error instanceof PipelineError)) throw error;
  }
  const {XzReadableStream} = await import('xz-decompress');
  try {
    yield* new XzReadableStream(Readable.toWeb(input) as never) as unknown as AsyncIterable<Uint8Array>;
  } catch (error) {
    throw new ArchiveError(`the xz data is damaged (${(error as Error).message})`);
  }
}

async function* throughTool(
  input: Readable,
  tool: string,
  options: readonly string[],
): AsyncGenerator<Uint8Array, void> {
  const child = spawn(tool, options, {stdio: ['pipe', 'pipe', 'pipe']});
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => (said = (said + chunk.toString()).slice(-500)));
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  ended.catch(() => undefined);
  try {
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', reject);
    }).catch((error: unknown) => {
      throw new PipelineError('TOOL_MISSING', `the program ${tool} is needed to read this file`, {
        hint: `On Debian: apt-get install ${tool === 'xz' ? 'xz-utils' : tool}.`,
        cause: error,
      });
    });
    // It may end before it has read all; what it says then is more than a broken pipe.
    child.stdin.on('error', () => undefined);
    input.once('error', () => child.kill());
    input.pipe(child.stdin);
    for await (const chunk of child.stdout) yield chunk as Buffer;
    if ((await ended) !== 0) throw new ArchiveError(`the ${tool} data is damaged (${said.trim()})`);
  } finally {
    input.unpipe();
    child.kill();
  }
}
