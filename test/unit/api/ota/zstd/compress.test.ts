import zstd from '@toondepauw/node-zstd';
import fc from 'fast-check';
import {setTimeout} from 'node:timers/promises';
import {describe, expect, it} from 'vitest';
import {compressLarge} from '../../../../../api/ota/image/zstd/compress-large.ts';
import {chunkBytes, compress, compressChunk} from '../../../../../api/ota/image/zstd/compress.ts';
import {FrameScanner} from '../../../../../api/ota/image/zstd/frame-scanner.ts';
import {findJoint} from '../../../../../api/ota/image/zstd/joint.ts';

const decoder = new zstd.Decoder();

/** One frame, whose header tells the size. */
function sizeInFrame(frame: Buffer): number | undefined {
  const scanner = new FrameScanner('the frame');
  scanner.push(frame);
  scanner.end();
  return scanner.contentSize;
}

/** Bytes that look random but are the same in every run; `values` of them. */
function noise(length: number, values: number): Buffer {
  const bytes = Buffer.alloc(length);
  let state = 1;
  for (let at = 0; at < length; at++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes[at] = (state >>> 24) % values;
  }
  return bytes;
}

async function large(content: Buffer, parallel: number, delays: readonly number[] = []): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let chunk = 0;
  const parts = compressLarge(
    {
      sizeBytes: content.length,
      read: (offset, length) => content.subarray(offset, offset + length),
      compressChunk: async (offset, length) => {
        await setTimeout(delays[chunk++] ?? 0);
        return compressChunk(content.subarray(offset, offset + length));
      },
    },
    parallel,
  );
  for await (const piece of parts) pieces.push(piece);
  return Buffer.concat(pieces);
}

describe('compress', () => {
  it('makes one frame with its size, of any content but none', () => {
    fc.assert(
      fc.property(fc.uint8Array({minLength: 1, maxLength: 5000}), fc.nat(70), (bytes, times) => {
        const content = Buffer.concat(Array.from({length: times + 1}, () => bytes));
        const frame = compress(content);
        expect(sizeInFrame(frame)).toBe(content.length);
        expect(decoder.decodeSync(frame).equals(content)).toBe(true);
      }),
      {numRuns: 60},
    );
  });

  it('does not let a file refer to the size hint, even one that has its bytes', () => {
    const content = Buffer.alloc(20_000, Buffer.of(0xc1, 0xf7));
    expect(decoder.decodeSync(compress(content)).equals(content)).toBe(true);
  });
});

describe('compressLarge', () => {
  const contents: readonly [name: string, content: Buffer][] = [
    ['zeros', Buffer.alloc(2 * chunkBytes + 5)],
    ['a period of 8', Buffer.alloc(2 * chunkBytes + 4097, Buffer.from('abcdefgh'))],
    ['text of few letters', noise(2 * chunkBytes + 100_000, 4)],
    ['noise, in which no joint is found', noise(2 * chunkBytes + 700_000, 256)],
    ['noise with text behind', Buffer.concat([noise(chunkBytes + 300_000, 256), noise(chunkBytes, 3)])],
    ['exactly two chunks', noise(2 * chunkBytes, 16)],
    ['a few bytes more than a chunk', noise(chunkBytes + 3, 2)],
  ];

  it.each(contents)('makes one frame of %s', async (_, content) => {
    const frame = await large(content, 2);
    expect(sizeInFrame(frame)).toBe(content.length);
    expect(decoder.decodeSync(frame).equals(content)).toBe(true);
  });

  it('gives the same bytes however many chunks run, and in whatever order they are ready', async () => {
    const content = noise(3 * chunkBytes, 5);
    const alone = await large(content, 0);
    expect((await large(content, 4, [30, 20, 10, 0])).equals(alone)).toBe(true);
    expect(decoder.decodeSync(alone).equals(content)).toBe(true);
  });
});

describe('findJoint', () => {
  it('finds matches at 8, 4 and 1, and tells how far it reaches', () => {
    const window = Buffer.from('01234567--01234567890xyz_wxyz_wAAAA..');
    const joint = findJoint(Buffer.from('abcdefghabcXYZ_XYZ_AAAA..'), 8);
    expect(joint?.length).toBe(Buffer.from('abcXYZ_XYZ_AAAA').length);
    expect(findJoint(window.subarray(0, 12), 8)).toBeUndefined();
  });
});
