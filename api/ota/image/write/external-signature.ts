import {X509Certificate} from 'node:crypto';
import {p256} from '@noble/curves/nist.js';
import {z} from 'zod';
import {OtaError} from '../../ota-error.ts';
import {isSignedWithEs256, parseCompactJws} from '../../signing/compact-jws.ts';
import {digestFromHex, sha256Hex} from '../model/digest.ts';
import {IndexClaims, IndexJwtHeader} from '../model/index-claims.ts';
import {layout} from '../model/layout.ts';
import {ImageFolder} from './image-folder.ts';
import {digestOfInput, signingInput} from './index-jwt.ts';
import {indexToSign} from './sign-image.ts';
import {signingChain} from './signing-key.ts';

const algorithm = 'ECDSA_SHA_256';

/** What a signer elsewhere is given, in the form of AWS KMS. */
export interface SignRequest {
  readonly AWSKMSSignRequestTemplate: {
    /** Base64 of the SHA-256 digest. */
    readonly Message: string;
    readonly MessageType: 'DIGEST';
    readonly SigningAlgorithm: typeof algorithm;
  };
  /** Header and claims of the JWT. */
  readonly JWTPayloadUnsigned: string;
  readonly SchemaVer: 1;
}

/** What comes back. */
const SignResponse = z.object({
  JWTPayloadUnsigned: z.string(),
  AWSKMSSignResponse: z.object({
    /** Base64 of a DER signature. */
    Signature: z.base64(),
    SigningAlgorithm: z.literal(algorithm),
  }),
  SchemaVer: z.literal(1).optional(),
});

export interface PrepareSignatureOptions {
  readonly image: string;
  readonly certificate: string;
  readonly intermediates?: readonly string[] | undefined;
  readonly signedAt?: number | undefined;
  readonly force?: boolean | undefined;
}

/**
 * First step of a signature by a key that is elsewhere: tells what to sign. The image does not change yet; the request
 * holds all that the second step needs.
 * @throws {OtaError} NOT_AN_IMAGE, NOT_FINALIZED, ALREADY_SIGNED, CHAIN_INVALID, KEY_INVALID
 */
export async function prepareExternalSignature(options: PrepareSignatureOptions): Promise<SignRequest> {
  const image = await ImageFolder.open(options.image);
  const chain = signingChain(options.certificate, options.intermediates);
  const signedAt = options.signedAt ?? Math.floor(Date.now() / 1000);
  const {bytes} = await indexToSign(image, signedAt, options.force ?? false);
  const input = signingInput(bytes, signedAt, chain);
  return {
    AWSKMSSignRequestTemplate: {
      Message: digestOfInput(input).toString('base64'),
      MessageType: 'DIGEST',
      SigningAlgorithm: algorithm,
    },
    JWTPayloadUnsigned: input,
    SchemaVer: 1,
  };
}

/**
 * Second step: checks the signature and, if an image is given, signs it with it. Gives the content of index.jwt.
 * @throws {OtaError} INPUT_INVALID, SIGNATURE_INVALID if it is not one of the certificate's key or of this image
 */
export async function finishExternalSignature(response: string, imagePath?: string): Promise<string> {
  const {JWTPayloadUnsigned: input, AWSKMSSignResponse: answer} = readResponse(response);
  const jwt = `${input}.${rawSignature(answer.Signature).toString('base64url')}`;
  const jws = parseCompactJws(jwt, layout.jwt);
  const header = IndexJwtHeader.safeParse(jws.header);
  const claims = IndexClaims.safeParse(jws.payload);
  if (!header.success || !claims.success || claims.data.iat === undefined)
    throw new OtaError('INPUT_INVALID', 'JWTPayloadUnsigned is not what the first step printed');
  const [certificate = ''] = header.data.x5c;
  if (!isSignedWithEs256(jws, new X509Certificate(Buffer.from(certificate, 'base64')).publicKey))
    throw new OtaError('SIGNATURE_INVALID', 'The signature was not made with the key of the certificate');
  if (imagePath !== undefined) {
    const image = await ImageFolder.open(imagePath);
    const {index, bytes} = await indexToSign(image, claims.data.iat, true);
    const {digest, size} = claims.data.image_index;
    if (size !== bytes.length || digest !== digestFromHex(sha256Hex(bytes)))
      throw new OtaError(
        'SIGNATURE_INVALID',
        `The signature is not about the image ${imagePath} as it is now`,
        {
          hint: 'Start again with the first step.',
        },
      );
    await image.replace(layout.jwt, jwt);
    await image.writeIndex(index);
  }
  return jwt;
}

function readResponse(text: string): z.infer<typeof SignResponse> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new OtaError('INPUT_INVALID', `The answer of the signer is not JSON: ${(error as Error).message}`);
  }
  const result = SignResponse.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new OtaError(
    'INPUT_INVALID',
    `The answer of the signer is not valid: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}`,
  );
}

function rawSignature(base64: string): Buffer {
  try {
    return Buffer.from(p256.Signature.fromBytes(Buffer.from(base64, 'base64'), 'der').toBytes('compact'));
  } catch {
    throw new OtaError('SIGNATURE_INVALID', 'The signature is not DER');
  }
}
