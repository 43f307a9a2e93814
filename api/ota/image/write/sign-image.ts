import {OtaError} from '../../ota-error.ts';
import {keys} from '../model/annotation-keys.ts';
import {ImageIndex} from '../model/image-index.ts';
import {writeDocument} from '../model/json-document.ts';
import {layout} from '../model/layout.ts';
import {ImageFolder} from './image-folder.ts';
import {digestOfInput, signingInput} from './index-jwt.ts';
import {legacyFiles} from './legacy-metadata.ts';
import {SigningKey, signingChain, type SigningMaterial} from './signing-key.ts';

export interface SignOptions extends SigningMaterial {
  readonly image: string;
  /** Unix seconds; default: now. */
  readonly signedAt?: number | undefined;
  /** Signs again what is signed already. */
  readonly force?: boolean | undefined;
  /** Adds certificate.pem and metadata.jwt for otaclients that update themselves from this image. */
  readonly legacyCompat?: boolean | undefined;
}

/**
 * Signs a finalized image. Everything that can fail comes before the first change; index.json comes last, so that the
 * image is signed or not, and never half.
 * @throws {OtaError} NOT_AN_IMAGE, NOT_FINALIZED, ALREADY_SIGNED, KEY_INVALID, CHAIN_INVALID
 */
export async function signImage(options: SignOptions): Promise<{readonly signedAt: number}> {
  const image = await ImageFolder.open(options.image);
  const key = SigningKey.fromPem(options.key, options.passphrase);
  const chain = signingChain(options.certificate, options.intermediates);
  key.requireMatch(chain[0]);
  const signedAt = options.signedAt ?? Math.floor(Date.now() / 1000);
  const {index, bytes} = await indexToSign(image, signedAt, options.force ?? false);
  const input = signingInput(bytes, signedAt, chain);
  const jwt = `${input}.${key.sign(digestOfInput(input)).toString('base64url')}`;
  const extras = options.legacyCompat === true ? legacyFiles(options.certificate, key) : {};
  for (const [name, content] of Object.entries(extras)) await image.replace(name, content);
  await image.replace(layout.jwt, jwt);
  await image.writeIndex(index);
  return {signedAt};
}

/**
 * index.json as it will be when it is signed.
 * @throws {OtaError} NOT_FINALIZED, ALREADY_SIGNED
 */
export async function indexToSign(
  image: ImageFolder,
  signedAt: number,
  force: boolean,
): Promise<{readonly index: ImageIndex; readonly bytes: Buffer}> {
  const index = await image.readIndex();
  const {annotations} = index;
  if (annotations[keys.createdAt] === undefined)
    throw new OtaError(
      'NOT_FINALIZED',
      'image is not yet finalized, run the `finalize` command first, abort!',
    );
  if (annotations[keys.signedAt] !== undefined && !force)
    throw new OtaError('ALREADY_SIGNED', 'image is already signed, abort!', {
      hint: '--force-sign signs it again.',
    });
  const signed = {...index, annotations: {...annotations, [keys.signedAt]: signedAt}};
  return {index: signed, bytes: writeDocument(ImageIndex, signed)};
}
