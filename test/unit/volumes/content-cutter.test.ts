import {execFileSync} from 'node:child_process';
import {createHash} from 'node:crypto';
import {readFileSync} from 'node:fs';
import fc from 'fast-check';
import {describe, expect, it} from 'vitest';
import {packageRoot} from '../../../configs/package-root.ts';
import {ContentCutter, type CutPart} from '../../../volumes/content-cutter.ts';

const mebibyte = 1024 ** 2;

/** Bytes that look packed, the same each time. */
function noise(seed: number, length: number): Buffer {
  const pieces = Array.from({length: Math.ceil(length / 32)}, (_, index) =>
    createHash('sha256').update(`${seed} ${index}`).digest(),
  );
  return Buffer.concat(pieces).subarray(0, length);
}

async function cut(data: Buffer, pieceBytes = data.length, sizeBytes = data.length): Promise<CutPart[]> {
  const parts: CutPart[] = [];
  const cutter = new ContentCutter(sizeBytes, (part) => Promise.resolve(void parts.push(part)));
  for (let at = 0; at < data.length; at += pieceBytes)
    await cutter.write(at, data.subarray(at, at + pieceBytes));
  await cutter.finish();
  return parts;
}

const print = ({content}: CutPart) => createHash('sha256').update(content).digest('hex');
const data = noise(1, 16 * mebibyte);

describe('cutting by content', () => {
  it('covers everything that is not zero, in parts of bounded size', async () => {
    const holed = Buffer.concat([data.subarray(0, 5 * mebibyte), Buffer.alloc(3 * mebibyte), data]);
    const parts = await cut(holed);
    const copy = Buffer.alloc(holed.length);
    for (const {offset, content} of parts) {
      expect(content.length).toBeLessThanOrEqual(4 * mebibyte);
      content.copy(copy, offset);
    }
    expect(copy.equals(holed)).toBe(true);
    const stored = parts.reduce((sum, {content}) => sum + content.length, 0);
    expect(stored).toBe(21 * mebibyte);
    // About one in a mebibyte.
    expect(parts.length).toBeGreaterThan(8);
    expect(parts.length).toBeLessThan(45);
  });

  it('does not depend on the pieces that the data comes in', async () => {
    const whole = (await cut(data)).map(print);
    await fc.assert(
      fc.asyncProperty(fc.integer({min: 1000, max: 3 * mebibyte}), async (pieceBytes) => {
        expect((await cut(data, pieceBytes)).map(print)).toEqual(whole);
      }),
      {numRuns: 5},
    );
  });

  it('shares what lies on both sides of a change, also when it moves', async () => {
    const known = new Set((await cut(data)).map(print));
    await fc.assert(
      fc.asyncProperty(fc.nat(data.length), fc.integer({min: 1, max: 10_000}), async (at, more) => {
        const changed = Buffer.concat([data.subarray(0, at), noise(2, more), data.subarray(at)]);
        const fresh = (await cut(changed)).filter((part) => !known.has(print(part)));
        // The parts that the change touches.
        expect(fresh.reduce((sum, {content}) => sum + content.length, 0)).toBeLessThan(9 * mebibyte);
        expect(fresh.length).toBeLessThanOrEqual(3);
      }),
      {numRuns: 5},
    );
  });

  it('cuts larger files into larger parts, so that a manifest can name them', async () => {
    const few = await cut(data, data.length, 16 * 1024 ** 3);
    expect(few.length).toBeLessThan((await cut(data)).length);
    for (const {content} of few.slice(0, -1)) expect(content.length).toBeGreaterThanOrEqual(mebibyte);
  });

  it('is what the worker of a swarm does', async () => {
    const worker = readFileSync(`${packageRoot()}/build-images/swarm_worker/worker`, 'utf8');
    const [rule = ''] = /^sub cut_after \{.*?^\}/ms.exec(worker) ?? [];
    const script = `${rule}
      local $/; binmode STDIN; my $data = <STDIN>;
      for (my $at = 0; $at < length $data;) {
        my $length = cut_after(substr($data, $at, 4 * $ARGV[0]), $ARGV[0]);
        print "$length\\n"; $at += $length;
      }`;
    for (const [average, sizeBytes] of [
      [mebibyte, data.length],
      [4 * mebibyte, 16 * 1024 ** 3],
    ] as const) {
      const said = execFileSync('perl', ['-e', script, String(average)], {input: data, encoding: 'utf8'});
      const lengths = (await cut(data, data.length, sizeBytes)).map(({content}) => content.length);
      expect(said.trim().split('\n').map(Number)).toEqual(lengths);
    }
  });
});
