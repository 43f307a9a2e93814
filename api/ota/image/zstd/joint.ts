import {compressedBlock, maxBlockBytes} from './frame-parts.ts';

/**
 * Between two chunks of a frame that were compressed independently lies a joint. An encoder starts with the repeat
 * offsets 1, 4 and 8 (RFC 8878, section 3.1.1.5), but at the border of chunks a decoder holds those of the chunk before. A
 * joint is three blocks with one match each, at the distances 8, 4 and 1: they leave the decoder with what the encoder
 * of the next chunk assumes. All other state (entropy tables) starts anew in each chunk by itself.
 */
export interface Joint {
  /** How many bytes of content it holds. */
  readonly length: number;
  readonly blocks: Buffer;
}

/** The shortest match that there is. */
const matchBytes = 3;
const distances = [8, 4, 1] as const;

/**
 * Looks for a joint that starts at `from` in `window`, where `from` bytes of content come before it, at least 8.
 * Undefined if the window, at most 128 KiB after `from`, does not have three such matches: rare, as three equal bytes at
 * distance 1 are four equal bytes in a row.
 */
export function findJoint(window: Buffer, from: number): Joint | undefined {
  const end = Math.min(window.length, from + maxBlockBytes);
  const blocks: Buffer[] = [];
  let start = from;
  for (const distance of distances) {
    const match = findMatch(window, start, end, distance);
    if (match === undefined) return undefined;
    blocks.push(blockWithMatch(window.subarray(start, match), distance));
    start = match + matchBytes;
  }
  return {length: start - from, blocks: Buffer.concat(blocks)};
}

function findMatch(window: Buffer, start: number, end: number, distance: number): number | undefined {
  let equal = 0;
  for (let at = start; at < end; at++) {
    equal = window[at] === window[at - distance] ? equal + 1 : 0;
    if (equal === matchBytes) return at - matchBytes + 1;
  }
  return undefined;
}

/** The literals as they are, then one match of three bytes (RFC 8878, 3.1.1.3). */
function blockWithMatch(literals: Buffer, distance: number): Buffer {
  const length = literalsLengthCode(literals.length);
  // The distance is written as distance + 3; its code is the number of its extra bits.
  const offset = distance + 3;
  const offsetCode = 31 - Math.clz32(offset);
  // One sequence; all three tables are of the kind "one code only", whose states take no bits.
  const sequences = Buffer.of(1, 0b01_01_01_00, length.code, offsetCode, 0);
  // Read backwards: the end mark, the extra bits of the offset, those of the match length (none), of the literals' length.
  const bits =
    (1n << BigInt(offsetCode + length.bits)) |
    (BigInt(offset - (1 << offsetCode)) << BigInt(length.bits)) |
    BigInt(length.extra);
  return compressedBlock(
    Buffer.concat([literalsHeader(literals.length), literals, sequences, littleEndian(bits)]),
  );
}

/** Raw literals with a 20-bit size, whatever the size is. */
function literalsHeader(length: number): Buffer {
  const header = Buffer.alloc(3);
  header.writeUIntLE((length << 4) | 0b11_00, 0, 3);
  return header;
}

/** From code 16: base value and extra bits. */
const longLengths: readonly (readonly [base: number, bits: number])[] = [
  [16, 1],
  [18, 1],
  [20, 1],
  [22, 1],
  [24, 2],
  [28, 2],
  [32, 3],
  [40, 3],
  [48, 4],
  [64, 6],
  [128, 7],
  [256, 8],
  [512, 9],
  [1024, 10],
  [2048, 11],
  [4096, 12],
  [8192, 13],
  [16_384, 14],
  [32_768, 15],
  [65_536, 16],
];

function literalsLengthCode(length: number): {code: number; bits: number; extra: number} {
  if (length < 16) return {code: length, bits: 0, extra: 0};
  const index = longLengths.findLastIndex(([base]) => base <= length);
  const [base, bits] = longLengths[index] ?? [0, 0];
  return {code: 16 + index, bits, extra: length - base};
}

function littleEndian(value: bigint): Buffer {
  const bytes: number[] = [];
  for (let rest = value; rest > 0n; rest >>= 8n) bytes.push(Number(rest & 0xffn));
  return Buffer.from(bytes);
}
