import type {ByteSource} from './byte-source.ts';

const blockBytes = 1024 * 1024;

/**
 * Offset of the first byte in which two sources differ; where one is the beginning of the other, the size of the
 * shorter one. Undefined when they are the same.
 */
export async function findFirstDifference(
  before: ByteSource,
  after: ByteSource,
): Promise<number | undefined> {
  const shared = Math.min(before.sizeBytes, after.sizeBytes);
  for (let at = 0; at < shared; at += blockBytes) {
    const length = Math.min(blockBytes, shared - at);
    const [a, b] = await Promise.all([before.read(at, length), after.read(at, length)]);
    if (!a.equals(b)) return at + firstDifferentByte(a, b);
  }
  return before.sizeBytes === after.sizeBytes ? undefined : shared;
}

/** Index of the first byte in which two buffers differ, or the length of the shorter one. */
export function firstDifferentByte(a: Buffer, b: Buffer): number {
  const length = Math.min(a.length, b.length);
  let index = 0;
  while (index < length && a[index] === b[index]) index++;
  return index;
}
