import {createHash} from 'node:crypto';
import {z} from 'zod';

/** 64 lower-case hexadecimal digits: the name of a blob file. */
export type Sha256Hex = string & {readonly __brand: 'Sha256Hex'};

/** `sha256:` and a {@link Sha256Hex}, as descriptors write it. */
export type Digest = `sha256:${string}` & {readonly __brand: 'Digest'};

/** A digest in a document. Upper-case digits are refused: no blob has such a name. */
export const Digest = z
  .string()
  .regex(/^sha256:[0-9a-f]{64}$/, 'must be "sha256:" and 64 lower-case hexadecimal digits')
  .transform((text) => text as Digest);

/** SHA-256 of nothing: row 0 of every file table. */
export const emptyFileHex = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855' as Sha256Hex;

export function isSha256Hex(text: string): text is Sha256Hex {
  return /^[0-9a-f]{64}$/.test(text);
}

export function hexOf(digest: Digest): Sha256Hex {
  return digest.slice('sha256:'.length) as Sha256Hex;
}

export function digestFromHex(hex: Sha256Hex): Digest {
  return `sha256:${hex}` as Digest;
}

export function sha256Hex(bytes: Uint8Array): Sha256Hex {
  return createHash('sha256').update(bytes).digest('hex') as Sha256Hex;
}

/** The hexadecimal form of the 32 raw bytes that the tables keep. */
export function hexFromBytes(bytes: Uint8Array): Sha256Hex {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex') as Sha256Hex;
}
