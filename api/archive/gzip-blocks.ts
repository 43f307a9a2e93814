import {promisify} from 'node:util';
import {gzip} from 'node:zlib';

const compress = promisify(gzip);

/** Large enough to compress about as well as one stream, small enough that a few of them are no matter. */
const blockBytes = 2 * 1024 * 1024;
/** More than this machine may have cores; the bytes do not depend on it. */
const blocksInFlight = 4;

/**
 * Compresses on several cores: a gzip file of one member for each 2 MiB, which every gzip reader joins (RFC 1952, 2.2).
 * The same input gives the same output, however it is cut into pieces.
 */
export async function* gzipBlocks(source: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer, void> {
  const queue: Promise<Buffer>[] = [];
  let empty = true;
  for await (const block of blocksOf(source)) {
    empty = false;
    const compressed = compressBlock(block);
    // Awaited in its turn; until then a failure must not count as one that nobody handles.
    compressed.catch(() => undefined);
    queue.push(compressed);
    const first = queue.length < blocksInFlight ? undefined : queue.shift();
    if (first !== undefined) yield await first;
  }
  if (empty) yield await compressBlock(Buffer.alloc(0));
  for (const compressed of queue) yield await compressed;
}

async function compressBlock(block: Buffer): Promise<Buffer> {
  const compressed = await compress(block, {level: 6});
  // The system that wrote it, which would differ between machines: Unix.
  compressed[9] = 3;
  return compressed;
}

async function* blocksOf(source: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer, void> {
  let block = Buffer.allocUnsafe(blockBytes);
  let used = 0;
  for await (const piece of source) {
    for (let done = 0; done < piece.length;) {
      const part = piece.subarray(done, done + blockBytes - used);
      block.set(part, used);
      used += part.length;
      done += part.length;
      if (used < blockBytes) continue;
      yield block;
      block = Buffer.allocUnsafe(blockBytes);
      used = 0;
    }
  }
  if (used > 0) yield block.subarray(0, used);
}
