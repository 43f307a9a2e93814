import {verify, type KeyObject} from 'node:crypto';
import {OtaError} from '../ota-error.ts';

/** A signed token in its compact form (RFC 7515), taken apart and not yet verified. */
export interface CompactJws {
  readonly header: unknown;
  readonly payload: unknown;
  /** What the signature is over. */
  readonly signed: Buffer;
  readonly signature: Buffer;
}

/**
 * Takes a token apart. `=` at the end of a part is tolerated; anything else that is not base64url is not.
 * @throws {OtaError} SIGNATURE_INVALID
 */
export function parseCompactJws(text: string, what: string): CompactJws {
  const parts = text.split('.');
  const [header, payload, signature] = parts;
  if (parts.length !== 3 || header === undefined || payload === undefined || signature === undefined) {
    throw signatureInvalid(what, 'it does not have three parts');
  }
  return {
    header: parsePart(header, what),
    payload: parsePart(payload, what),
    signed: Buffer.from(`${header}.${payload}`, 'latin1'),
    signature: decodePart(signature, what),
  };
}

/** Whether `key` made an ES256 signature: r‖s of 64 bytes, as JWS has it, or DER, as the legacy format has it. */
export function isSignedWithEs256(jws: CompactJws, key: KeyObject, encoding: 'raw' | 'der' = 'raw'): boolean {
  if (key.asymmetricKeyType !== 'ec' || key.asymmetricKeyDetails?.namedCurve !== 'prime256v1') return false;
  if (encoding === 'raw' && jws.signature.length !== 64) return false;
  const dsaEncoding = encoding === 'raw' ? 'ieee-p1363' : 'der';
  return verify('sha256', jws.signed, {key, dsaEncoding}, jws.signature);
}

function parsePart(part: string, what: string): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', {fatal: true}).decode(decodePart(part, what)));
  } catch (error) {
    if (error instanceof OtaError) throw error;
    throw signatureInvalid(what, 'a part of it is not JSON');
  }
}

function decodePart(part: string, what: string): Buffer {
  if (!/^[A-Za-z0-9_-]+={0,2}$/.test(part)) throw signatureInvalid(what, 'a part of it is not base64url');
  return Buffer.from(part, 'base64url');
}

export function signatureInvalid(what: string, problem: string): OtaError {
  return new OtaError('SIGNATURE_INVALID', `${what} is not valid: ${problem}`);
}
