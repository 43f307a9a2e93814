import {createHash} from 'node:crypto';
import {Certificate} from '../ota/signing/certificate.ts';

/** Hex SHA-256 of the public key of a certificate: the same for every certificate of one key. */
export function keyIdOf(pem: string): string {
  const key = new Certificate(pem).publicKey.export({type: 'spki', format: 'der'});
  return createHash('sha256').update(key).digest('hex');
}

/** Whom a certificate is for, on one line. */
export function subjectOf(pem: string): string {
  return new Certificate(pem).subject;
}
