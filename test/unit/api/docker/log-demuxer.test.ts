import fc from 'fast-check';
import {describe, expect, it} from 'vitest';
import {LineSplitter, LogDemuxer} from '../../../../api/docker/log-demuxer.ts';

type Frame = readonly [stream: 'stdout' | 'stderr', text: string];

function encode(frames: readonly (readonly [stream: 'stdout' | 'stderr', payload: Buffer])[]): Buffer {
  return Buffer.concat(
    frames.flatMap(([stream, payload]) => {
      const header = Buffer.alloc(8);
      header[0] = stream === 'stdout' ? 1 : 2;
      header.writeUInt32BE(payload.length, 4);
      return [header, payload];
    }),
  );
}

/** Cuts bytes at the given places, which may be any numbers. */
function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const at = [0, ...places.map((place) => place % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return at.slice(1).map((end, i) => bytes.subarray(at[i], end));
}

function demux(chunks: readonly Buffer[]): Frame[] {
  const frames: Frame[] = [];
  const demuxer = new LogDemuxer((stream, payload) => frames.push([stream, payload.toString('latin1')]));
  for (const chunk of chunks) demuxer.write(chunk);
  return frames;
}

function split(chunks: readonly Buffer[]): string[] {
  const lines: string[] = [];
  const splitter = new LineSplitter((line) => lines.push(line));
  for (const chunk of chunks) splitter.write(chunk);
  splitter.end();
  return lines;
}

const places = fc.array(fc.nat(), {maxLength: 20});

describe('LogDemuxer', () => {
  const frames = fc.array(
    fc.tuple(
      fc.constantFrom('stdout' as const, 'stderr' as const),
      fc.uint8Array({maxLength: 40}).map((bytes) => Buffer.from(bytes)),
    ),
    {maxLength: 12},
  );

  it('finds the same frames however the stream is cut', () => {
    fc.assert(
      fc.property(frames, places, (given, at) => {
        const wanted = given.map(([stream, payload]) => [stream, payload.toString('latin1')]);
        expect(demux(cut(encode(given), at))).toEqual(wanted);
      }),
    );
  });

  it('finds the same frames one byte at a time', () => {
    fc.assert(
      fc.property(frames, (given) => {
        const bytes = encode(given);
        expect(demux([...bytes].map((byte) => Buffer.from([byte])))).toEqual(demux([bytes]));
      }),
    );
  });

  it('takes 100000 frames of one byte in one chunk, in time', () => {
    const bytes = encode(Array.from({length: 100_000}, () => ['stdout', Buffer.from('x')] as const));
    const startedMs = Date.now();
    expect(demux([bytes])).toHaveLength(100_000);
    expect(Date.now() - startedMs).toBeLessThan(2000);
  });

  it('takes a frame of 8 MiB in the pieces in which a socket delivers it, in time', () => {
    const bytes = encode([['stdout', Buffer.alloc(8 * 1024 ** 2, 'a')]]);
    const chunks = cut(
      bytes,
      Array.from({length: bytes.length / 65_536}, (_, i) => i * 65_536),
    );
    const startedMs = Date.now();
    expect(demux(chunks)[0]?.[1].length).toBe(8 * 1024 ** 2);
    expect(Date.now() - startedMs).toBeLessThan(5000);
  });

  it('hands nothing out of a frame that has not come to its end', () => {
    const bytes = encode([['stdout', Buffer.from('whole')]]);
    expect(demux([bytes.subarray(0, -1)])).toEqual([]);
    expect(demux([])).toEqual([]);
  });
});

describe('LineSplitter', () => {
  const texts = fc
    .array(fc.constantFrom('a', 'bc', '\n', '\r', '\r\n', 'ä', '€', '🏴‍☠️', ' ', ''), {maxLength: 30})
    .map((parts) => parts.join(''));

  it('gives the same lines however the bytes are cut, also within a character and within \\r\\n', () => {
    fc.assert(
      fc.property(texts, places, (text, at) => {
        const bytes = Buffer.from(text);
        expect(split(cut(bytes, at))).toEqual(split([bytes]));
        expect(split([...bytes].map((byte) => Buffer.from([byte])))).toEqual(split([bytes]));
      }),
    );
  });

  it.each([
    ['a\nb\n', ['a', 'b']],
    ['a\nb', ['a', 'b']],
    ['a\r\nb\r\n', ['a', 'b']],
    ['10%\r20%\r100%\n', ['10%', '20%', '100%']],
    ['a\n\nb\n', ['a', '', 'b']],
    ['', []],
    ['\n', ['']],
  ])('cuts %j', (text, lines) => {
    expect(split([Buffer.from(text)])).toEqual(lines);
  });

  it('joins a character that two frames share', () => {
    const [pirate] = [Buffer.from('🏴‍☠️ ahoy\n')];
    expect(split([pirate.subarray(0, 2), pirate.subarray(2, 9), pirate.subarray(9)])).toEqual(['🏴‍☠️ ahoy']);
  });

  it('shows a progress line at once and not with the next one', () => {
    const lines: string[] = [];
    const splitter = new LineSplitter((line) => lines.push(line));
    splitter.write(Buffer.from('50%\r'));
    expect(lines).toEqual(['50%']);
  });

  it('does not keep a line that never ends in memory, and loses nothing of it', () => {
    const lines: string[] = [];
    const splitter = new LineSplitter((line) => lines.push(line));
    for (let i = 0; i < 64; i++) splitter.write(Buffer.alloc(8 * 1024, 'x'));
    expect(lines.length).toBeGreaterThan(4);
    splitter.end();
    expect(lines.join('')).toBe('x'.repeat(512 * 1024));
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(72 * 1024);
  });

  it('takes 300000 writes of one byte without a newline, in time', () => {
    const startedMs = Date.now();
    const byte = Buffer.from('x');
    const lines = split(Array.from({length: 300_000}, () => byte));
    expect(lines.join('')).toHaveLength(300_000);
    expect(Date.now() - startedMs).toBeLessThan(2000);
  });

  it('shows what is left of a broken character instead of swallowing it', () => {
    expect(split([Buffer.from([0x61, 0xff, 0x62, 0x0a])])).toEqual(['a\ufffdb']);
    expect(split([Buffer.from([0x61, 0xe2, 0x82])])).toEqual(['a\ufffd']);
  });
});
