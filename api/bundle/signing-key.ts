import {p256, p384, p521} from '@noble/curves/nist.js';
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  sign,
  X509Certificate,
  type KeyObject,
} from 'node:crypto';
import {readFile} from 'node:fs/promises';
import {PipelineError} from '../errors.ts';

/** Shorter RSA keys can be broken, says everybody since 2015. */
const shortestRsaBits = 2048;

const curves = {
  prime256v1: {curve: p256, bytes: 32},
  secp384r1: {curve: p384, bytes: 48},
  secp521r1: {curve: p521, bytes: 66},
} as const;

/** A private key that bundles can be signed with: RSA, or EC on P-256, P-384 or P-521. */
export interface SigningKey {
  readonly key: KeyObject;
  /** `RSA-3072`, `EC-prime256v1`, … */
  readonly kind: string;
  /** What is allowed but unwise about it. */
  readonly warnings: readonly string[];
}

/**
 * Loads a PEM file with a private key.
 *
 * @param askPassphrase Called when the key is encrypted.
 * @throws PipelineError `KEY_UNUSABLE`
 */
export async function loadSigningKey(
  file: string,
  askPassphrase: () => Promise<string | undefined>,
): Promise<SigningKey> {
  return parseSigningKey(await readPem(file), file, askPassphrase);
}

/**
 * The same from PEM text.
 *
 * @param file What the key is called in messages.
 * @throws PipelineError `KEY_UNUSABLE`
 */
export async function parseSigningKey(
  pem: string,
  file: string,
  askPassphrase: () => Promise<string | undefined>,
): Promise<SigningKey> {
  if (/-----BEGIN (?:RSA |EC )?PUBLIC KEY-----/.test(pem)) {
    throw unusable(`${file} holds a public key; signing needs the private one`);
  }
  if (/-----BEGIN CERTIFICATE-----/.test(pem) && !/PRIVATE KEY-----/.test(pem)) {
    throw unusable(`${file} holds a certificate; signing needs its private key`);
  }
  if (/-----BEGIN OPENSSH PRIVATE KEY-----/.test(pem)) {
    throw unusable(
      `${file} is a key of OpenSSH, not of OpenSSL`,
      `Convert a copy: ssh-keygen -p -m PEM -f KEY`,
    );
  }
  const key = isEncrypted(pem) ? await decrypt(file, pem, askPassphrase) : parsePrivate(file, pem);
  const kind = describeKey(file, key);
  const bits = key.asymmetricKeyDetails?.modulusLength ?? Infinity;
  return {
    key,
    kind,
    warnings:
      bits < shortestRsaBits ? [`the RSA key has ${bits} bits only: use at least ${shortestRsaBits}`] : [],
  };
}

/**
 * What `openssl dgst -sha256 -sign` writes for `content`: PKCS#1 v1.5 for RSA, a DER sequence for EC. EC signatures
 * are deterministic (RFC 6979), so that the same input gives the same bundle.
 */
export function signContent({key}: SigningKey, content: Buffer): Buffer {
  const name = key.asymmetricKeyDetails?.namedCurve as keyof typeof curves | undefined;
  if (key.asymmetricKeyType !== 'ec' || name === undefined) return sign('sha256', content, key);
  const {curve, bytes} = curves[name];
  const secret = Buffer.from(key.export({format: 'jwk'}).d ?? '', 'base64url');
  const padded = Buffer.concat([Buffer.alloc(bytes - secret.length), secret]);
  const digest = createHash('sha256').update(content).digest();
  return Buffer.from(curve.sign(digest, padded, {prehash: false, lowS: false}).toBytes('der'));
}

/**
 * Loads what signatures are checked with: a PEM file with a public key, or the certificate that holds it.
 *
 * @throws PipelineError `KEY_UNUSABLE`
 */
export async function loadVerificationKey(file: string, kind: 'key' | 'certificate'): Promise<KeyObject> {
  const pem = await readPem(file);
  if (/PRIVATE KEY-----/.test(pem)) {
    const hint = 'Take the public one from it: openssl pkey -in KEY -pubout -out public.pem';
    throw unusable(`${file} holds a private key, which nobody needs for checking`, hint);
  }
  const isCertificate = /-----BEGIN CERTIFICATE-----/.test(pem);
  if (kind === 'key' && isCertificate) throw unusable(`${file} is a certificate`, 'Name it with --cert.');
  if (kind === 'certificate' && !isCertificate) {
    throw unusable(`${file} is not a certificate in PEM form`, 'Name a public key with --key.');
  }
  let key: KeyObject;
  try {
    key = isCertificate ? new X509Certificate(pem).publicKey : createPublicKey(pem);
  } catch (error) {
    throw unusable(`${file} cannot be read: ${(error as Error).message}`, undefined, error);
  }
  describeKey(file, key);
  return key;
}

async function readPem(file: string): Promise<string> {
  try {
    const content = await readFile(file, 'latin1');
    if (content.includes('-----BEGIN ')) return content;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? '';
    const reasons: Readonly<Record<string, string>> = {
      ENOENT: 'does not exist',
      EACCES: 'must not be read by this user',
      EISDIR: 'is a folder',
    };
    throw unusable(`${file} ${reasons[code] ?? `cannot be read (${code})`}`, undefined, error);
  }
  throw unusable(
    `${file} is not a key in PEM form`,
    'Convert it: openssl pkey -inform DER -in KEY -out key.pem',
  );
}

function isEncrypted(pem: string): boolean {
  return /-----BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type: 4,ENCRYPTED/m.test(pem);
}

async function decrypt(
  file: string,
  pem: string,
  askPassphrase: () => Promise<string | undefined>,
): Promise<KeyObject> {
  const passphrase = await askPassphrase();
  if (passphrase === undefined || passphrase === '') {
    throw unusable(
      `the key ${file} is encrypted and there is no passphrase`,
      'Set HYPRIOTKIT_KEY_PASSPHRASE, or run on a terminal and type it.',
    );
  }
  try {
    return createPrivateKey({key: pem, passphrase});
  } catch (error) {
    throw unusable(`the passphrase does not open the key ${file}`, undefined, error);
  }
}

function parsePrivate(file: string, pem: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch (error) {
    throw unusable(`${file} holds no private key that can be read`, undefined, error);
  }
}

function describeKey(file: string, key: KeyObject): string {
  const {modulusLength, namedCurve} = key.asymmetricKeyDetails ?? {};
  if (key.asymmetricKeyType === 'rsa') return `RSA-${modulusLength ?? 0}`;
  if (key.asymmetricKeyType === 'ec' && namedCurve !== undefined && namedCurve in curves)
    return `EC-${namedCurve}`;
  const found = namedCurve ?? key.asymmetricKeyType ?? 'unknown';
  throw unusable(
    `${file} is a key of the kind ${found}; update agents take RSA, or EC on P-256, P-384 or P-521`,
  );
}

function unusable(message: string, hint?: string, cause?: unknown): PipelineError {
  return new PipelineError('KEY_UNUSABLE', message, {hint, cause});
}
