import {createPrivateKey, createPublicKey, type KeyObject} from 'node:crypto';
import {p256} from '@noble/curves/nist.js';
import {OtaError} from '../../ota-error.ts';
import {Certificate} from '../../signing/certificate.ts';
import {orderChain} from '../../signing/order-chain.ts';

/** What an image is signed with. */
export interface SigningMaterial {
  /** PEM of an EC P-256 key, SEC1 or PKCS#8. */
  readonly key: string;
  readonly passphrase?: string | undefined;
  /** PEM of the certificate of that key. */
  readonly certificate: string;
  /** PEM of the certificates between it and the root, which must not be among them. */
  readonly intermediates?: readonly string[] | undefined;
}

/** The certificates of a signature, the signing one first. */
export type SigningChain = readonly [Certificate, ...Certificate[]];

/** OpenSSL's own error for a missing password depends on its version. */
function isEncrypted(pem: string): boolean {
  return /-----BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type: 4,ENCRYPTED/m.test(pem);
}

/**
 * A key that signs with ES256. The nonce comes from the key and the message (RFC 6979), so that the same image gets the
 * same signature.
 * @throws {OtaError} KEY_INVALID
 */
export class SigningKey {
  readonly #key: KeyObject;

  private constructor(key: KeyObject) {
    this.#key = key;
  }

  static fromPem(pem: string, passphrase: string | undefined): SigningKey {
    let key: KeyObject;
    try {
      key = createPrivateKey({key: pem, ...(passphrase !== undefined && {passphrase})});
    } catch {
      if (passphrase === undefined && isEncrypted(pem))
        throw new OtaError('KEY_INVALID', 'The signing key is encrypted and needs its password', {
          hint: 'Give it with --sign-key-passwd, or in HYPRIOTKIT_SIGN_KEY_PASSWORD.',
        });
      // The text of the error of OpenSSL never holds the key, but never helps either.
      throw new OtaError('KEY_INVALID', 'The signing key cannot be read', {
        hint: 'It must be an EC P-256 private key in PEM, and the password right if it has one.',
      });
    }
    if (key.asymmetricKeyType !== 'ec')
      throw new OtaError('KEY_INVALID', 'The signing key is not an ECDSA private key');
    const curve = key.asymmetricKeyDetails?.namedCurve ?? 'unknown';
    if (curve !== 'prime256v1')
      throw new OtaError(
        'KEY_INVALID',
        `The signing key's curve does not match: ${curve}, and ES256 needs P-256`,
      );
    return new SigningKey(key);
  }

  /** @throws {OtaError} KEY_INVALID unless the certificate is of this key */
  requireMatch(certificate: Certificate): void {
    const ours = createPublicKey(this.#key).export({type: 'spki', format: 'der'});
    if (!ours.equals(certificate.publicKey.export({type: 'spki', format: 'der'})))
      throw new OtaError(
        'KEY_INVALID',
        `The signing key does not belong to the certificate "${certificate.subject}"`,
      );
  }

  /** The signature over SHA-256: r and s, 32 bytes each, or as DER. */
  sign(digest: Uint8Array, encoding: 'raw' | 'der' = 'raw'): Buffer {
    const {d = ''} = this.#key.export({format: 'jwk'}) as {d?: string};
    const signature = p256.sign(digest, Buffer.from(d, 'base64url'), {lowS: false, prehash: false});
    return Buffer.from(signature.toBytes(encoding === 'raw' ? 'compact' : 'der'));
  }
}

/**
 * The certificates that go into `x5c`.
 * @throws {OtaError} CHAIN_INVALID, KEY_INVALID
 */
export function signingChain(certificate: string, intermediates: readonly string[] = []): SigningChain {
  const leaf = new Certificate(certificate);
  const {asymmetricKeyType, asymmetricKeyDetails} = leaf.publicKey;
  if (asymmetricKeyType !== 'ec' || asymmetricKeyDetails?.namedCurve !== 'prime256v1')
    throw new OtaError('KEY_INVALID', `The certificate "${leaf.subject}" is not of an EC P-256 key`);
  const chain: SigningChain = [leaf, ...intermediates.map((pem) => new Certificate(pem))];
  if (orderChain(chain)[0] !== leaf)
    throw new OtaError(
      'CHAIN_INVALID',
      `The certificate "${leaf.subject}" is the issuer of another one in the chain`,
    );
  return chain;
}
