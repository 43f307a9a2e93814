import {z} from 'zod';
import {OtaError} from '../../ota-error.ts';
import {readCaFolder} from '../../signing/ca-folder.ts';
import {Certificate} from '../../signing/certificate.ts';
import {isSignedWithEs256, parseCompactJws, signatureInvalid} from '../../signing/compact-jws.ts';
import {orderChain} from '../../signing/order-chain.ts';
import {validateChain} from '../../signing/validate-chain.ts';
import {hexOf, sha256Hex} from '../model/digest.ts';
import {IndexClaims} from '../model/index-claims.ts';
import {layout} from '../model/layout.ts';
import type {ImageReader} from '../read/image-reader.ts';
import {readFile} from '../read/read-file.ts';

export interface VerifySignatureOptions {
  /** Folder of trusted certificates; without it only the signature is checked, not who made it. */
  readonly caFolder?: string | undefined;
  /** For tests; default: the clock. */
  readonly now?: Date;
}

/** A signature that was found valid. */
export interface VerifiedSignature {
  /** The payload of index.jwt. */
  readonly claims: IndexClaims;
  /** Subjects, from the signing certificate to the trusted one, or to the last of x5c when no CA folder was given. */
  readonly chain: readonly string[];
  /** Whether the chain was found to lead to a trusted certificate. */
  readonly isTrusted: boolean;
}

const maxJwtSize = 1024 * 1024;
const what = layout.jwt;

/**
 * Checks index.jwt: the certificate chain, the signature, its times, and that it is about this very index.json.
 * @throws {OtaError} NOT_SIGNED, SIGNATURE_INVALID, CHAIN_INVALID, CA_FOLDER_INVALID
 */
export async function verifySignature(
  image: ImageReader,
  options: VerifySignatureOptions = {},
): Promise<VerifiedSignature> {
  const now = options.now ?? new Date();
  if (!image.isSigned) throw new OtaError('NOT_SIGNED', `${image.source.location} is not signed`);
  const text = await readFile(image.source, layout.jwt, maxJwtSize);
  if (!text) throw new OtaError('NOT_SIGNED', `${layout.jwt} doesn't exist, broken OTA image?`);
  const jws = parseCompactJws(text.toString('latin1'), what);
  const chain = orderChain(readCertificates(jws.header));
  const trusted = options.caFolder === undefined ? undefined : await readCaFolder(options.caFolder);
  const path = trusted ? validateChain(chain, trusted, now) : chain;
  if (!isSignedWithEs256(jws, chain[0].publicKey)) {
    throw signatureInvalid(what, 'the signature was not made with the ES256 key of its certificate');
  }
  checkTimes(jws.payload, now);
  const claims = readClaims(jws.payload);
  checkIndex(claims, image.indexBytes);
  return {claims, chain: path.map(({subject}) => subject), isTrusted: trusted !== undefined};
}

const Header = z.looseObject({
  alg: z.literal('ES256', {error: 'must be ES256'}),
  x5c: z.array(z.string().min(1)).min(1),
  // A header that demands the understanding of something is refused (RFC 7515, section 4.1.11).
  crit: z.undefined({error: 'is not understood'}).optional(),
});

function readCertificates(header: unknown): Certificate[] {
  const result = Header.safeParse(header);
  if (!result.success) throw schemaError('the header', result.error);
  // Early tools wrote PEM instead of the base64 of the DER.
  return result.data.x5c.map((item) => {
    return new Certificate(item.includes('-----BEGIN') ? item : Buffer.from(item, 'base64'));
  });
}

const Times = z.looseObject({
  iat: z.number().optional(),
  nbf: z.number().optional(),
  exp: z.number().optional(),
  aud: z.undefined({error: 'is for a certain receiver'}).optional(),
});

function checkTimes(payload: unknown, now: Date): void {
  const result = Times.safeParse(payload);
  if (!result.success) throw schemaError('the payload', result.error);
  const {iat, nbf, exp} = result.data;
  const seconds = now.getTime() / 1000;
  if (Math.max(iat ?? 0, nbf ?? 0) > seconds) throw signatureInvalid(what, 'it is from the future');
  if (exp !== undefined && exp <= seconds) throw signatureInvalid(what, 'it has expired');
}

function readClaims(payload: unknown): IndexClaims {
  const result = IndexClaims.safeParse(payload);
  if (!result.success) throw schemaError('the payload', result.error);
  return result.data;
}

function checkIndex({image_index: claim}: IndexClaims, index: Buffer): void {
  if (claim.size !== index.length || hexOf(claim.digest) !== sha256Hex(index)) {
    throw signatureInvalid(what, `${layout.index} is not the one that was signed`);
  }
}

function schemaError(part: string, error: z.ZodError): OtaError {
  const problems = error.issues.map(({path, message}) => `${path.join('.')} ${message}`);
  return signatureInvalid(what, `${part} is wrong: ${problems.join('; ')}`);
}
