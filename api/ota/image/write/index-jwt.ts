import {createHash} from 'node:crypto';
import {digestFromHex, sha256Hex} from '../model/digest.ts';
import {IndexClaims, IndexJwtHeader} from '../model/index-claims.ts';
import {writeDocument} from '../model/json-document.ts';
import {mediaTypes} from '../model/media-types.ts';
import type {SigningChain} from './signing-key.ts';

/** Header and claims of index.jwt: what is to be signed. `index` is index.json as it will be. */
export function signingInput(index: Buffer, issuedAt: number, chain: SigningChain): string {
  const header = writeDocument(IndexJwtHeader, {
    alg: 'ES256',
    typ: 'JWT',
    x5c: chain.map(({x509}) => x509.raw.toString('base64')),
  });
  const claims = writeDocument(IndexClaims, {
    iat: issuedAt,
    image_index: {
      size: index.length,
      digest: digestFromHex(sha256Hex(index)),
      mediaType: mediaTypes.imageIndex,
    },
  });
  return `${header.toString('base64url')}.${claims.toString('base64url')}`;
}

export function digestOfInput(input: string): Buffer {
  return createHash('sha256').update(input, 'ascii').digest();
}
