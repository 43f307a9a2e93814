import {createHash, createPrivateKey, createPublicKey, sign, verify, type KeyObject} from 'node:crypto';
import {readFile} from 'node:fs/promises';
import {z} from 'zod';
import type {StoreEntry} from '../../volumes/store-entry.ts';
import {PipelineError} from '../errors.ts';
import {contentDigest} from './fingerprint.ts';

/** A key of the team: EC on P-256. */
export interface CacheKey {
  readonly key: KeyObject;
  /** First digits of the SHA-256 of the public key, as OpenSSL writes it in DER. */
  readonly id: string;
}

const Signature = z.object({
  format: z.literal(1),
  /** Base64 of a DER sequence: what `openssl dgst -sha256 -sign` writes for the statement. */
  signature: z.string().max(256),
});

/**
 * What is signed: that these inputs gave these files. Times and the way in which the files are cut are left out, so
 * that everybody who builds the same signs the same.
 */
function statement(entry: StoreEntry): Buffer {
  return Buffer.from(
    `hypriotkit artifact 1\nfingerprint ${entry.fingerprint}\ncontent ${contentDigest(entry)}\n`,
  );
}

/** The tag under which a signature lies. */
export function signatureTag({fingerprint}: StoreEntry, {id}: CacheKey): string {
  return `${fingerprint}.sig-${id}`;
}

export function signEntry(entry: StoreEntry, {key}: CacheKey): Buffer {
  const signature = sign('sha256', statement(entry), key).toString('base64');
  return Buffer.from(JSON.stringify({format: 1, signature} satisfies z.infer<typeof Signature>));
}

/** Whether a document is the signature of a key over an entry. */
export function isSignature(document: Buffer, entry: StoreEntry, {key}: CacheKey): boolean {
  try {
    const {signature} = Signature.parse(JSON.parse(document.toString('utf8')));
    return verify('sha256', statement(entry), key, Buffer.from(signature, 'base64'));
  } catch {
    return false;
  }
}

/** Loads the private key that artifacts are signed with. */
export async function loadCacheSigningKey(file: string): Promise<CacheKey> {
  const pem = await readPem(file);
  try {
    return identified(file, createPrivateKey(pem));
  } catch (error) {
    if (error instanceof PipelineError) throw error;
    throw unusable(file, 'holds no private key in PEM that can be read without a passphrase', error);
  }
}

/** Loads a public key whose signatures are trusted. */
export async function loadTrustedKey(file: string): Promise<CacheKey> {
  const pem = await readPem(file);
  if (pem.includes('PRIVATE KEY-----')) throw unusable(file, 'holds a private key; the public one is needed');
  try {
    return identified(file, createPublicKey(pem));
  } catch (error) {
    if (error instanceof PipelineError) throw error;
    throw unusable(file, 'holds no public key in PEM', error);
  }
}

function identified(file: string, key: KeyObject): CacheKey {
  if (key.asymmetricKeyDetails?.namedCurve !== 'prime256v1') throw unusable(file, 'is no EC key on P-256');
  const shared = key.type === 'private' ? createPublicKey(key) : key;
  const der = shared.export({type: 'spki', format: 'der'});
  return {key, id: createHash('sha256').update(der).digest('hex').slice(0, 16)};
}

async function readPem(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw unusable(file, `cannot be read: ${(error as Error).message}`, error);
  }
}

function unusable(file: string, what: string, cause?: unknown): PipelineError {
  return new PipelineError('KEY_UNUSABLE', `${file} ${what}`, {
    hint: 'openssl ecparam -name prime256v1 -genkey -noout -out key.pem; openssl ec -in key.pem -pubout -out key.pub',
    cause,
  });
}
