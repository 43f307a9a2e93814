import {OtaError} from '../../ota-error.ts';

/** The values of MessagePack that images use. */
export type MsgpackValue =
  number | string | Uint8Array | readonly MsgpackValue[] | ReadonlyMap<string, MsgpackValue>;

/** Encodes with the shortest form of every length and number. Numbers are non-negative integers up to 2^53-1. */
export function encodeMsgpack(value: MsgpackValue): Buffer {
  if (typeof value === 'number') return encodeInteger(value);
  if (typeof value === 'string') {
    const bytes = Buffer.from(value, 'utf8');
    return Buffer.concat([head(bytes.length, {fix: [0xa0, 31], sizes: [0xd9, 0xda, 0xdb]}), bytes]);
  }
  if (value instanceof Uint8Array)
    return Buffer.concat([head(value.length, {sizes: [0xc4, 0xc5, 0xc6]}), value]);
  if (value instanceof Map) {
    const entries = [...(value as ReadonlyMap<string, MsgpackValue>)];
    const start = head(entries.length, {fix: [0x80, 15], sizes: [undefined, 0xde, 0xdf]});
    return Buffer.concat([
      start,
      ...entries.flatMap(([key, item]) => [encodeMsgpack(key), encodeMsgpack(item)]),
    ]);
  }
  const items = value as readonly MsgpackValue[];
  const start = head(items.length, {fix: [0x90, 15], sizes: [undefined, 0xdc, 0xdd]});
  return Buffer.concat([start, ...items.map(encodeMsgpack)]);
}

function encodeInteger(value: number): Buffer {
  if (value < 0x80) return Buffer.of(value);
  if (value <= 0xffff_ffff) return head(value, {sizes: [0xcc, 0xcd, 0xce]});
  const bytes = Buffer.alloc(9);
  bytes[0] = 0xcf;
  bytes.writeBigUInt64BE(BigInt(value), 1);
  return bytes;
}

interface HeadForms {
  /** Base byte and largest value of the one-byte form. */
  readonly fix?: readonly [number, number];
  /** Leading bytes for 1, 2 and 4 bytes of length. */
  readonly sizes: readonly [number | undefined, number, number];
}

function head(length: number, {fix, sizes: [one, two, four]}: HeadForms): Buffer {
  if (fix && length <= fix[1]) return Buffer.of(fix[0] | length);
  if (one !== undefined && length <= 0xff) return Buffer.of(one, length);
  if (length <= 0xffff) return Buffer.of(two, length >> 8, length & 0xff);
  const bytes = Buffer.of(four, 0, 0, 0, 0);
  bytes.writeUInt32BE(length, 1);
  return bytes;
}

/**
 * Decodes one value that fills all of `bytes`; any valid encoding is accepted, not only the shortest.
 * @throws {OtaError} TABLE_INVALID for everything else, also for types that images do not use
 */
export function decodeMsgpack(bytes: Uint8Array): MsgpackValue {
  const reader = new Reader(bytes);
  const value = reader.value(0);
  if (!reader.atEnd) throw malformed('bytes after its end');
  return value;
}

/** Filters and attributes are flat; this is far more than they need. */
const maxDepth = 4;

class Reader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get atEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  value(depth: number): MsgpackValue {
    if (depth > maxDepth) throw malformed('too deeply nested');
    const lead = this.#unsigned(1);
    if (lead < 0x80) return lead;
    if (lead < 0x90) return this.#map(lead & 0x0f, depth);
    if (lead < 0xa0) return this.#array(lead & 0x0f, depth);
    if (lead < 0xc0) return this.#text(lead & 0x1f);
    switch (lead) {
      case 0xc4:
      case 0xc5:
      case 0xc6:
        return this.#take(this.#unsigned(1 << (lead - 0xc4)));
      case 0xcc:
      case 0xcd:
      case 0xce:
      case 0xcf:
        return this.#unsigned(1 << (lead - 0xcc));
      case 0xd9:
      case 0xda:
      case 0xdb:
        return this.#text(this.#unsigned(1 << (lead - 0xd9)));
      case 0xdc:
      case 0xdd:
        return this.#array(this.#unsigned(2 << (lead - 0xdc)), depth);
      case 0xde:
      case 0xdf:
        return this.#map(this.#unsigned(2 << (lead - 0xde)), depth);
      default:
        throw malformed(`the type 0x${lead.toString(16)}`);
    }
  }

  #unsigned(width: number): number {
    const bytes = this.#take(width);
    if (width < 8) return bytes.readUIntBE(0, width);
    const value = bytes.readBigUInt64BE(0);
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw malformed('a number over 2^53');
    return Number(value);
  }

  #take(length: number): Buffer {
    const end = this.#at + length;
    if (end > this.#bytes.length) throw malformed('an end before its end');
    const bytes = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return bytes;
  }

  #text(length: number): string {
    try {
      return new TextDecoder('utf-8', {fatal: true, ignoreBOM: true}).decode(this.#take(length));
    } catch (error) {
      if (error instanceof OtaError) throw error;
      throw malformed('text that is not UTF-8');
    }
  }

  #array(length: number, depth: number): MsgpackValue[] {
    const items: MsgpackValue[] = [];
    // Each item takes a byte at least, so a false length ends at the end of the bytes.
    for (let index = 0; index < length; index++) items.push(this.value(depth + 1));
    return items;
  }

  #map(length: number, depth: number): Map<string, MsgpackValue> {
    const map = new Map<string, MsgpackValue>();
    for (let index = 0; index < length; index++) {
      const key = this.value(depth + 1);
      if (typeof key !== 'string') throw malformed('a key that is not text');
      if (map.has(key)) throw malformed(`the key "${key}" twice`);
      map.set(key, this.value(depth + 1));
    }
    return map;
  }
}

function malformed(what: string): OtaError {
  return new OtaError('TABLE_INVALID', `A MessagePack value of the image is malformed: it has ${what}`);
}
