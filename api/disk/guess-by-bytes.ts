import type {Clues, Evidence} from './guess-cause.ts';

type Bytes = NonNullable<Evidence['bytes']>;
type Whole = Evidence['whole'];
type Rule = (bytes: Bytes, whole: Whole, clues: Clues) => string | undefined;

const daySeconds = 86_400;
/** Two builds that are compared are seldom further apart, from each other and from now. */
const nearSeconds = 400 * daySeconds;

/** In the order of how much a match proves. */
const rules: readonly Rule[] = [
  otherOrder,
  gzipHeader,
  timeInText,
  hostName,
  buildPath,
  uuidInText,
  binaryTime,
  randomText,
  randomBytes,
];

/** Judges by the bytes around the first difference. */
export function causeByBytes(bytes: Bytes, whole: Whole, clues: Clues): string | undefined {
  for (const rule of rules) {
    const cause = rule(bytes, whole, clues);
    if (cause !== undefined) return cause;
  }
  return undefined;
}

/** The same lines in another order. */
function otherOrder(_bytes: Bytes, whole: Whole): string | undefined {
  if (whole === undefined || whole.before.length !== whole.after.length) return undefined;
  if (!isText(whole.before) || !isText(whole.after)) return undefined;
  const sorted = ({before}: {before: Buffer}) => before.toString('latin1').split('\n').sort().join('\n');
  if (sorted(whole) !== sorted({before: whole.after})) return undefined;
  return 'the same lines in another order: a hash table or a folder that was not sorted';
}

/** RFC 1952: the time of the packed file is in bytes 4 to 7. */
function gzipHeader({before, after, at, offset}: Bytes): string | undefined {
  const start = at - offset;
  if (start !== 0 || offset < 4 || offset > 7) return undefined;
  const isGzip = [before, after].every((bytes) => bytes.length > 8 && bytes.readUInt16BE(0) === 0x1f8b);
  return isGzip ? 'the time stamp in the header of gzip (gzip -n leaves it out)' : undefined;
}

const timePatterns: readonly RegExp[] = [
  // 2026-11-20T17:10:00, 2026-11-20 17:10, 20261120
  /\b(19|20)\d\d-?[01]\d-?[0-3]\d([T ]?[0-2]\d:?[0-5]\d)?/g,
  // Nov 20 17:10:00, 20 Nov 2026
  /\b((Mon|Tue|Wed|Thu|Fri|Sat|Sun),? )?(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\s+[0-3]?\d[ ,]+([0-2]\d:[0-5]\d|\d{4})/g,
  /\b((Mon|Tue|Wed|Thu|Fri|Sat|Sun),? )?[0-3]?\d (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4}( [0-2]\d:[0-5]\d(:[0-5]\d)?)?/g,
  // a time of a day, when only that differs
  /\b[0-2]\d:[0-5]\d:[0-5]\d\b/g,
];

function timeInText(bytes: Bytes, _whole: Whole, clues: Clues): string | undefined {
  for (const pattern of timePatterns) {
    if (bothMatch(bytes, pattern) !== undefined) return 'a date as text: the clock of the build machine';
  }
  const seconds = bothMatch(bytes, /\b\d{10}\b/g);
  if (seconds?.every((text) => isNear(Number(text), clues.nowSeconds))) {
    return 'a time stamp as text (seconds since 1970): the clock of the build machine';
  }
  return undefined;
}

function hostName(bytes: Bytes, _whole: Whole, clues: Clues): string | undefined {
  for (const name of clues.hostNames) {
    if (name.length < 3) continue;
    const pattern = new RegExp(name.replaceAll(/[.*+?^${}()|[\]\\-]/g, '\\$&'), 'g');
    if (matchAt(bytes.before, bytes.at, pattern) ?? matchAt(bytes.after, bytes.at, pattern)) {
      return `the host name of a build machine (${name})`;
    }
  }
  return undefined;
}

/** A path in which the difference lies: a temporary folder, a home folder, the folder of the build. */
function buildPath(bytes: Bytes): string | undefined {
  const pattern = /\/(tmp|home|root|build|workspace|var\/tmp|usr\/src)\/[\w.+@/-]*/g;
  const found = matchAt(bytes.before, bytes.at, pattern) ?? matchAt(bytes.after, bytes.at, pattern);
  return found === undefined ? undefined : `a path of the build (${found})`;
}

function uuidInText(bytes: Bytes): string | undefined {
  const pattern = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/gi;
  return bothMatch(bytes, pattern) === undefined ? undefined : 'a UUID that was made at random';
}

/**
 * Four bytes, little or big endian, that are a recent time in both. The highest byte of two such times is the same,
 * so the first difference is at one of the lower ones.
 */
function binaryTime({before, after, at}: Bytes, _whole: Whole, clues: Clues): string | undefined {
  // Four letters can be a time, too: "lppa" is one of 2027.
  if (isPrintable(before) && isPrintable(after)) return undefined;
  for (let start = at - 3; start <= at; start++) {
    if (start < 0 || start + 4 > before.length || start + 4 > after.length) continue;
    const little = [before.readUInt32LE(start), after.readUInt32LE(start)];
    const big = [before.readUInt32BE(start), after.readUInt32BE(start)];
    for (const values of [little, big]) {
      if (values.every((value) => isNear(value, clues.nowSeconds))) {
        return 'a time stamp: the clock of the build machine';
      }
    }
  }
  return undefined;
}

function randomText(bytes: Bytes): string | undefined {
  const hex = bothMatch(bytes, /\b[0-9a-f]{16,}\b/gi);
  if (hex !== undefined) return 'a digest of something that differs, or a random number';
  return undefined;
}

/** Hardly a byte in common from the first difference on, and many different values: a key, a seed, or packed data. */
function randomBytes({before, after, at}: Bytes): string | undefined {
  const [a, b] = [before.subarray(at, at + 64), after.subarray(at, at + 64)];
  const length = Math.min(a.length, b.length);
  if (length < 16) return undefined;
  let same = 0;
  for (let index = 0; index < length; index++) if (a[index] === b[index]) same++;
  const isVaried = (bytes: Buffer) => new Set(bytes.subarray(0, length)).size > length * 0.75;
  if (length >= 48 && same <= length / 16 && isVaried(a) && isVaried(b)) {
    return 'random or packed data: a key, a seed, or a compressed file whose content differs';
  }
  // Sixteen bytes that have nothing in common, between bytes that are the same.
  const [sixteenA, sixteenB] = [a.subarray(0, 16), b.subarray(0, 16)];
  const lead = sixteenA.filter((byte, index) => byte === sixteenB[index]).length;
  const rest = a.subarray(16).equals(b.subarray(16)) && length > 16;
  return lead <= 2 && rest && new Set(sixteenA).size > 10
    ? 'a UUID or key that was made at random'
    : undefined;
}

function isNear(seconds: number, nowSeconds: number): boolean {
  return Math.abs(seconds - nowSeconds) < nearSeconds;
}

/** The matches of a pattern around the first difference, when both sides have one there and they differ. */
function bothMatch({before, after, at}: Bytes, pattern: RegExp): [string, string] | undefined {
  const [a, b] = [matchAt(before, at, pattern), matchAt(after, at, pattern)];
  return a === undefined || b === undefined || a === b ? undefined : [a, b];
}

/** The match of a pattern that covers the byte at `at`, or ends or begins there. */
function matchAt(bytes: Buffer, at: number, pattern: RegExp): string | undefined {
  for (const match of bytes.toString('latin1').matchAll(pattern)) {
    if (match.index <= at && at <= match.index + match[0].length) return match[0];
  }
  return undefined;
}

function isPrintable(bytes: Buffer): boolean {
  return bytes.every((byte) => byte >= 0x20 || (byte >= 0x09 && byte <= 0x0d));
}

function isText(bytes: Buffer): boolean {
  return !bytes.includes(0);
}
