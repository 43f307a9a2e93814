import {p256} from '@noble/curves/nist.js';
import {createHash, createPrivateKey, createPublicKey, type KeyObject} from 'node:crypto';
import {readFile} from 'node:fs/promises';
import {OtaError} from '../ota-error.ts';
import {Certificate} from '../signing/certificate.ts';
import {formatSigningInput, formatToken, type LegacyMetadata} from './metadata-jwt.ts';

/** A key and the certificate that belongs to it. */
export interface LegacySigner {
  readonly key: KeyObject;
  readonly certificatePem: Buffer;
}

/** @throws {OtaError} KEY_INVALID when one of them is unusable, or they do not belong together. */
export async function loadLegacySigner(keyFile: string, certificateFile: string): Promise<LegacySigner> {
  const [key, certificate] = await Promise.all(
    [keyFile, certificateFile].map((file) =>
      readFile(file).catch((error: unknown) => {
        throw new OtaError('KEY_INVALID', `${file} cannot be read`, {cause: error});
      }),
    ),
  );
  return parseLegacySigner(
    {pem: key ?? '', name: keyFile},
    {pem: certificate ?? Buffer.alloc(0), name: certificateFile},
  );
}

/** A PEM text and what it is called in messages. */
interface NamedPem<T> {
  readonly pem: T;
  readonly name: string;
}

/** @throws {OtaError} KEY_INVALID when one of them is unusable, or they do not belong together. */
export function parseLegacySigner(
  given: NamedPem<Buffer | string>,
  certificate: NamedPem<Buffer>,
  passphrase?: string,
): LegacySigner {
  let key: KeyObject;
  try {
    key = createPrivateKey({key: given.pem, ...(passphrase !== undefined && {passphrase})});
  } catch (error) {
    throw new OtaError(
      'KEY_INVALID',
      `${given.name} holds no private key that can be read without a passphrase`,
      {cause: error},
    );
  }
  if (key.asymmetricKeyType !== 'ec' || key.asymmetricKeyDetails?.namedCurve !== 'prime256v1') {
    throw new OtaError('KEY_INVALID', `${given.name} is not an EC key on P-256`);
  }
  if (!new Certificate(certificate.pem).publicKey.equals(createPublicKey(key))) {
    throw new OtaError('KEY_INVALID', `${certificate.name} is not the certificate of ${given.name}`);
  }
  return {key, certificatePem: certificate.pem};
}

/** metadata.jwt with a deterministic signature (RFC 6979). */
export function signMetadata({key}: LegacySigner, metadata: LegacyMetadata): string {
  const input = formatSigningInput(metadata);
  const digest = createHash('sha256').update(input).digest();
  const secret = Buffer.from(key.export({format: 'jwk'}).d ?? '', 'base64url');
  return formatToken(
    input,
    Buffer.from(p256.sign(digest, secret, {prehash: false, lowS: false}).toBytes('der')),
  );
}
