import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {existsSync} from 'node:fs';
import {join} from 'node:path';
import {Readable, type Duplex} from 'node:stream';
import {pipeline} from 'node:stream/promises';
import * as zlib from 'node:zlib';
import {OtaError} from '../../ota-error.ts';
import {isExpected, wrongSize, type ExpectedSize} from './decompress.ts';
import {FrameScanner} from './frame-scanner.ts';

/** Node 22.15 and newer. */
const {createZstdDecompress} = zlib as {createZstdDecompress?: (options: object) => Duplex};

let isAble: boolean | undefined;

/** Whether this machine has what `decompressStream` needs. */
export function canStream(): boolean {
  const folders = (process.env['PATH'] ?? '').split(':');
  return (isAble ??=
    createZstdDecompress !== undefined || folders.some((folder) => existsSync(join(folder, 'zstd'))));
}

/**
 * Decompresses one frame of any size in constant memory, and stops as soon as it gives too much.
 * Needs a Node.js with zstd, or else the program `zstd`.
 * @throws {OtaError} ZSTD_INVALID, BLOB_CORRUPT if it gives another number of bytes, TOOL_MISSING
 */
export async function* decompressStream(
  frame: AsyncIterable<Uint8Array>,
  size: ExpectedSize,
  what: string,
): AsyncGenerator<Uint8Array> {
  const limit = typeof size === 'number' ? size : size.atMost;
  let given = 0;
  const input = scanned(frame, new FrameScanner(what));
  for await (const piece of createZstdDecompress
    ? inProcess(input, createZstdDecompress, what)
    : byProgram(input, what)) {
    given += piece.length;
    if (given > limit) throw wrongSize(what, size);
    yield piece;
  }
  if (!isExpected(given, size)) throw wrongSize(what, size);
}

async function* scanned(frame: AsyncIterable<Uint8Array>, scanner: FrameScanner): AsyncGenerator<Uint8Array> {
  for await (const piece of frame) {
    scanner.push(piece);
    yield piece;
  }
  scanner.end();
}

async function* inProcess(
  input: AsyncIterable<Uint8Array>,
  create: NonNullable<typeof createZstdDecompress>,
  what: string,
): AsyncGenerator<Uint8Array> {
  const output = create({chunkSize: 1024 * 1024});
  const fed = pipeline(Readable.from(input), output);
  fed.catch(() => undefined);
  try {
    yield* output as AsyncIterable<Uint8Array>;
    await fed;
  } catch (error) {
    throw asInvalid(error, what);
  } finally {
    output.destroy();
  }
}

async function* byProgram(input: AsyncIterable<Uint8Array>, what: string): AsyncGenerator<Uint8Array> {
  const child = spawn('zstd', ['-dcq', '--memory=128MB'], {stdio: ['pipe', 'pipe', 'pipe']});
  let complaint = '';
  child.stderr.on('data', (text: Buffer) => (complaint += text.toString().slice(0, 1000)));
  const closed = once(child, 'close') as Promise<[number | null]>;
  const fed = pipeline(Readable.from(input), child.stdin);
  closed.catch(() => undefined);
  fed.catch(() => undefined);
  try {
    yield* child.stdout as AsyncIterable<Uint8Array>;
    const [status] = await closed;
    if (status !== 0) throw asInvalid(new Error(complaint.trim()), what);
    await fed;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw missingTool(what);
    throw asInvalid(error, what);
  } finally {
    child.kill();
  }
}

function asInvalid(error: unknown, what: string): Error {
  if (error instanceof OtaError) return error;
  return new OtaError('ZSTD_INVALID', `${what} cannot be decompressed: ${(error as Error).message}`, {
    cause: error,
  });
}

function missingTool(what: string): OtaError {
  return new OtaError('TOOL_MISSING', `${what} is too large to be decompressed at once`, {
    hint: 'use Node.js 22.15 or newer, or install zstd (Debian: apt-get install -y zstd)',
  });
}
