import fc from 'fast-check';
import {spawn} from 'node:child_process';
import {createHash} from 'node:crypto';
import {open, readFile, stat} from 'node:fs/promises';
import {join} from 'node:path';
import {buffer} from 'node:stream/consumers';
import {fileURLToPath} from 'node:url';
import {describe, expect, it} from 'vitest';
import {SparseFileWriter} from '../../../../api/pipeline/sparse-stream.ts';
import {makeTempFolder} from '../temp-folder.ts';

const sparseCat = fileURLToPath(
  new URL('../../../../build-images/base_image/lib/sparse-cat', import.meta.url),
);
const block = 4096;

interface Piece {
  readonly at: number;
  readonly bytes: number;
}

/** Bytes of data at that place, which are not zeros. */
const dataOf = ({at, bytes}: Piece) => Buffer.alloc(bytes, (at % 255) + 1);

async function writeSparse(path: string, pieces: readonly Piece[], size: number): Promise<void> {
  const file = await open(path, 'w');
  await file.truncate(size);
  for (const piece of pieces) await file.write(dataOf(piece), 0, piece.bytes, piece.at);
  await file.close();
}

async function streamOf(path: string): Promise<Buffer> {
  const child = spawn('perl', [sparseCat, path], {stdio: ['ignore', 'pipe', 'inherit']});
  const closed = new Promise<number | null>((resolve) => void child.once('close', resolve));
  const bytes = await buffer(child.stdout);
  expect(await closed).toBe(0);
  return bytes;
}

function record(offset: number | bigint, data: Buffer | number): Buffer {
  const header = Buffer.alloc(16);
  header.writeBigUInt64BE(BigInt(offset));
  header.writeBigUInt64BE(BigInt(typeof data === 'number' ? data : data.length), 8);
  return typeof data === 'number' ? header : Buffer.concat([header, data]);
}

/** Writes a stream in those chunks to a file and returns the digest that the writer says. */
async function receive(path: string, chunks: readonly Buffer[]): Promise<string> {
  const file = await open(path, 'w');
  try {
    const writer = new SparseFileWriter(file);
    for (const chunk of chunks) await writer.write(chunk);
    return await writer.finish();
  } finally {
    await file.close();
  }
}

/** Cuts bytes into pieces of these sizes, again and again. */
function cut(bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const chunks: Buffer[] = [];
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length] ?? bytes.length;
    chunks.push(bytes.subarray(at, at + size));
    at += size;
  }
  return chunks;
}

const sha256 = (content: Buffer) => createHash('sha256').update(content).digest('hex');

describe('a file through sparse-cat', () => {
  const files = fc.record({
    pieces: fc.array(fc.record({at: fc.nat(400_000), bytes: fc.integer({min: 1, max: 3 * block})}), {
      maxLength: 6,
    }),
    tail: fc.nat(200_000),
    sizes: fc.array(fc.integer({min: 1, max: 70_000}), {minLength: 1, maxLength: 4}),
  });

  it('is the same file with the same digest, however it is cut', async () => {
    await fc.assert(
      fc.asyncProperty(files, async ({pieces, tail, sizes}) => {
        const folder = await makeTempFolder();
        const [from, to] = [join(folder, 'from'), join(folder, 'to')];
        const size = Math.max(0, ...pieces.map(({at, bytes}) => at + bytes)) + tail;
        await writeSparse(from, pieces, size);
        const digest = await receive(to, cut(await streamOf(from), sizes));
        const content = await readFile(from);
        expect(content.equals(await readFile(to))).toBe(true);
        expect(digest).toBe(sha256(content));
        // Not a block more than the original has: what was a hole is one.
        expect((await stat(to)).blocks).toBeLessThanOrEqual((await stat(from)).blocks);
      }),
      {numRuns: 40},
    );
  });

  it.each<[string, Piece[], number]>([
    ['empty', [], 0],
    ['one hole', [], 10 * block],
    ['a hole of no whole block', [], 100],
    ['only data', [{at: 0, bytes: 10 * block}], 10 * block],
    ['a hole at the start', [{at: 8 * block, bytes: 1}], 8 * block + 1],
    ['a hole at the end', [{at: 0, bytes: 1}], 9 * block + 5],
  ])('is the same when it is %s', async (_, pieces, size) => {
    const folder = await makeTempFolder();
    const [from, to] = [join(folder, 'from'), join(folder, 'to')];
    await writeSparse(from, pieces, size);
    const stream = await streamOf(from);
    for (const sizes of [[1], [7, 16], [stream.length + 1]]) {
      expect(await receive(to, cut(stream, sizes))).toBe(sha256(await readFile(from)));
      expect((await readFile(from)).equals(await readFile(to))).toBe(true);
    }
  });

  it('does not send 4 GiB of holes, and does not write them', async () => {
    const folder = await makeTempFolder();
    const size = 4 * 1024 ** 3 + 12_345;
    await writeSparse(join(folder, 'from'), [{at: 3 * 1024 ** 3, bytes: 5}], size);
    const stream = await streamOf(join(folder, 'from'));
    expect(stream.length).toBeLessThan(100_000);
    await receive(join(folder, 'to'), [stream]);
    const written = await stat(join(folder, 'to'));
    expect(written.size).toBe(size);
    expect(written.blocks * 512).toBeLessThan(100_000);
  });

  it('is an error when there is none', () => {
    const child = spawn('perl', [sparseCat, '/nonexistent/file'], {stdio: 'ignore'});
    return expect(new Promise((resolve) => void child.once('close', resolve))).resolves.not.toBe(0);
  });
});

describe('SparseFileWriter', () => {
  const whole = Buffer.concat([
    record(0, Buffer.from('head')),
    record(block, Buffer.from('tail')),
    record(2 * block, 0),
  ]);

  it('does not take a stream that is cut off anywhere for a file', async () => {
    const path = join(await makeTempFolder(), 'to');
    for (let end = 0; end < whole.length; end++) {
      await expect(receive(path, [whole.subarray(0, end)])).rejects.toThrow(
        'the volume stopped sending in the middle of a file',
      );
    }
    await expect(receive(path, [whole])).resolves.toMatch(/^[0-9a-f]{64}$/);
  });

  it.each<[string, Buffer]>([
    [
      'data before what was sent',
      Buffer.concat([record(block, Buffer.from('b')), record(0, Buffer.from('a'))]),
    ],
    ['data over data', Buffer.concat([record(0, Buffer.from('abc')), record(2, Buffer.from('x'))])],
    ['an end before what was sent', Buffer.concat([record(0, Buffer.from('abc')), record(2, 0)])],
    ['data after the end', Buffer.concat([whole, record(3 * block, Buffer.from('x'))])],
    ['two ends', Buffer.concat([whole, record(2 * block, 0)])],
  ])('refuses %s', async (_, stream) => {
    const path = join(await makeTempFolder(), 'to');
    await expect(receive(path, [stream])).rejects.toThrow('the volume sent a file out of order');
  });

  it('says how far it is, holes included', async () => {
    const file = await open(join(await makeTempFolder(), 'to'), 'w');
    const writer = new SparseFileWriter(file);
    expect(writer.position).toBe(0);
    await writer.write(record(block, Buffer.from('abc')));
    expect(writer.position).toBe(block + 3);
    await writer.write(record(2 * block, 0));
    expect(writer.position).toBe(2 * block);
    await writer.finish();
    await file.close();
  });

  it('makes a file as long as it should be when an older one is longer', async () => {
    const path = join(await makeTempFolder(), 'to');
    await receive(path, [record(0, Buffer.alloc(100, 'x')), record(100, 0)]);
    await receive(path, [record(0, Buffer.from('ab')), record(2, 0)]);
    expect(await readFile(path, 'utf8')).toBe('ab');
  });
});
