import {createHash} from 'node:crypto';
import type {ChecksumAlgorithm} from './download-request.ts';

/** Takes bytes and gives a digest of them in hex. */
export interface Digester {
  update(bytes: Uint8Array): unknown;
  digest(encoding: 'hex'): string;
}

/** How many hex digits a digest has. */
export const digestLength: Readonly<Record<ChecksumAlgorithm, number>> = {
  'sha-1': 40,
  'sha-224': 56,
  'sha-256': 64,
  'sha-384': 96,
  'sha-512': 128,
  md5: 32,
  adler32: 8,
};

export function createDigester(algorithm: ChecksumAlgorithm): Digester {
  return algorithm === 'adler32' ? new Adler32() : createHash(algorithm.replace('-', ''));
}

/** Whether a text is a digest of that kind; in either case. */
export function isDigest(algorithm: ChecksumAlgorithm, text: string): boolean {
  return text.length === digestLength[algorithm] && /^[0-9a-f]+$/i.test(text);
}

const modulus = 65_521;
/** As many bytes as can be summed up before a sum leaves 32 bits (RFC 1950, zlib's NMAX). */
const mostAtOnce = 5552;

/** RFC 1950, section 8.2. */
class Adler32 implements Digester {
  #a = 1;
  #b = 0;

  update(bytes: Uint8Array): void {
    let [a, b] = [this.#a, this.#b];
    for (let start = 0; start < bytes.length; start += mostAtOnce) {
      const end = Math.min(start + mostAtOnce, bytes.length);
      for (let index = start; index < end; index++) {
        a += bytes[index] ?? 0;
        b += a;
      }
      a %= modulus;
      b %= modulus;
    }
    [this.#a, this.#b] = [a, b];
  }

  digest(): string {
    return (this.#b * 65_536 + this.#a).toString(16).padStart(8, '0');
  }
}
