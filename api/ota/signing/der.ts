import {OtaError} from '../ota-error.ts';

/** One element of DER (X.690). */
export interface DerElement {
  readonly tag: number;
  readonly content: Buffer;
  /** Tag and length included. */
  readonly whole: Buffer;
}

export const derTags = {
  boolean: 0x01,
  integer: 0x02,
  oid: 0x06,
  utcTime: 0x17,
  sequence: 0x30,
} as const;

/**
 * The elements that fill `bytes`.
 * @throws {OtaError} CHAIN_INVALID if they are not DER
 */
export function readDer(bytes: Buffer): DerElement[] {
  const elements: DerElement[] = [];
  for (let at = 0; at < bytes.length;) {
    const element = readElement(bytes, at);
    elements.push(element);
    at += element.whole.length;
  }
  return elements;
}

function readElement(bytes: Buffer, at: number): DerElement {
  const tag = bytes[at];
  const first = bytes[at + 1];
  if (tag === undefined || first === undefined || (tag & 0x1f) === 0x1f) throw malformed();
  let start = at + 2;
  let length = first;
  if (first >= 0x80) {
    const width = first & 0x7f;
    if (width === 0 || width > 4 || start + width > bytes.length) throw malformed();
    length = bytes.readUIntBE(start, width);
    start += width;
    // DER has one form of every length: the shortest.
    if (length < 0x80 || (width > 1 && length < 2 ** (8 * (width - 1)))) throw malformed();
  }
  const end = start + length;
  if (end > bytes.length) throw malformed();
  return {tag, content: bytes.subarray(start, end), whole: bytes.subarray(at, end)};
}

/** An object identifier in dotted form. */
export function readOid(content: Buffer): string {
  const parts: number[] = [];
  let value = 0;
  for (const byte of content) {
    value = value * 128 + (byte & 0x7f);
    if (value > Number.MAX_SAFE_INTEGER / 128) throw malformed();
    if (byte < 0x80) {
      parts.push(value);
      value = 0;
    }
  }
  const [first = 0, ...rest] = parts;
  const root = Math.min(Math.floor(first / 40), 2);
  return [root, first - root * 40, ...rest].join('.');
}

function malformed(): OtaError {
  return new OtaError('CHAIN_INVALID', 'A certificate is malformed');
}
