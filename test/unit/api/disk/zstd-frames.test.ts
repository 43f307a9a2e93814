import {spawnSync} from 'node:child_process';
import {createCipheriv} from 'node:crypto';
import fc from 'fast-check';
import {open, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {expect, it} from 'vitest';
import {readZstdFrames, type ZstdFrame} from '../../../../api/disk/zstd-frames.ts';
import {makeTempFolder} from '../temp-folder.ts';

/** One frame, made by zstd itself; it says how long its content is unless that comes from a pipe. */
async function frameOf(content: Buffer, ...options: string[]): Promise<Buffer> {
  const path = join(await makeTempFolder(), 'content');
  await writeFile(path, content);
  return spawnSync('zstd', ['-q', '-c', ...options, path], {maxBuffer: 1e9}).stdout;
}

async function framesOf(file: Buffer): Promise<(ZstdFrame | undefined)[]> {
  const path = join(await makeTempFolder(), 'file.zst');
  await writeFile(path, file);
  await using handle = await open(path, 'r');
  const frames = [];
  for await (const frame of readZstdFrames(handle))
    frames.push(frame && {...frame, packed: Buffer.from(frame.packed)});
  return frames;
}

/** What cannot be packed. */
const noise = (bytes: number) =>
  createCipheriv('aes-128-ctr', Buffer.alloc(16), Buffer.alloc(16)).update(Buffer.alloc(bytes));

/** Of every kind of block: repeated bytes, text, and what cannot be packed. */
const contents = [0, 1, 255, 256, 65_791, 65_792, 400_000].flatMap((bytes) => [
  Buffer.alloc(bytes),
  Buffer.alloc(bytes, 'some text '),
  noise(bytes),
]);

it('cuts a file where zstd began a frame', async () => {
  const frames = await Promise.all(
    contents.flatMap((content) => [frameOf(content), frameOf(content, '--no-check')]),
  );
  const found = await framesOf(Buffer.concat(frames));
  expect(found.map((frame) => frame?.packed.toString('hex'))).toEqual(
    frames.map((frame) => frame.toString('hex')),
  );
  expect(found.map((frame) => frame?.contentBytes)).toEqual(contents.flatMap(({length}) => [length, length]));
});

it('cuts a file that is longer than what it holds in memory', async () => {
  const content = noise(7 << 20);
  const frame = await frameOf(content, '-1');
  const count = Math.ceil((80 << 20) / frame.length);
  const found = await framesOf(Buffer.concat(Array.from({length: count}, () => frame)));
  expect(found).toHaveLength(count);
  expect(found.every((one) => one?.packed.equals(frame))).toBe(true);
});

it.each<[string, () => Promise<Buffer>]>([
  ['of another format', () => Promise.resolve(Buffer.from('\x1f\x8b'.padEnd(100, 'x'), 'latin1'))],
  ['that is too long to unpack in memory', () => frameOf(Buffer.alloc((16 << 20) + 1))],
  [
    'that does not say how long its content is',
    () =>
      Promise.resolve(spawnSync('zstd', ['-q', '-c'], {input: Buffer.alloc(1000), maxBuffer: 1e9}).stdout),
  ],
  [
    'with another behind it that is cut off',
    async () => (await frameOf(Buffer.alloc(100_000, 'ab'))).subarray(0, -1),
  ],
])('gives nothing for a file %s', async (_, make) => {
  expect(await framesOf(await make())).toEqual([undefined]);
});

it('reads nothing behind the end of a file, whatever is in it', async () => {
  const sound = await frameOf(Buffer.alloc(70_000, 'some text '));
  await fc.assert(
    fc.asyncProperty(fc.nat(sound.length - 1), fc.nat(255), fc.nat(sound.length), async (at, byte, end) => {
      const file = Buffer.from(sound.subarray(0, end));
      if (at < end) file[at] = byte;
      const bytes = (await framesOf(file)).reduce((sum, frame) => sum + (frame?.packed.length ?? 0), 0);
      expect(bytes).toBeLessThanOrEqual(file.length);
    }),
    {numRuns: 60},
  );
});
