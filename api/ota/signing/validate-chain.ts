import type {Certificate} from './certificate.ts';
import {extensionIds} from './certificate.ts';
import {chainInvalid} from './order-chain.ts';

/** Intermediates between the signing certificate and the trusted one. */
const maxDepth = 8;
/** The curves that image chains use, as Node.js calls them. */
const curves = new Set(['prime256v1', 'secp384r1', 'secp521r1']);
const minRsaBits = 2048;
/** Only hashes from SHA-256 on: RSA (PKCS #1 and PSS) and ECDSA. */
const signatureOids = new Set([
  '1.2.840.113549.1.1.10',
  '1.2.840.113549.1.1.11',
  '1.2.840.113549.1.1.12',
  '1.2.840.113549.1.1.13',
  '1.2.840.10045.4.3.2',
  '1.2.840.10045.4.3.3',
  '1.2.840.10045.4.3.4',
]);
/** Extensions that may be critical: those looked at here, and those that say what else a certificate is for. */
const understood = new Set<string>([
  extensionIds.keyUsage,
  extensionIds.basicConstraints,
  // Subject alternative name, extended key usage: they do not limit what an image may be signed with.
  '2.5.29.17',
  '2.5.29.37',
]);

/**
 * Checks that a chain leads to one of the trusted certificates at the time `now` (RFC 5280, section 6): every signature,
 * every period of validity, critical basicConstraints of every CA, path lengths, algorithms, no unknown critical
 * extension. `chain` starts with the signing certificate; any part of it may itself be trusted.
 * @returns the chain up to and with the trusted certificate
 * @throws {OtaError} CHAIN_INVALID
 */
export function validateChain(
  chain: readonly [Certificate, ...Certificate[]],
  trusted: readonly Certificate[],
  now: Date,
): readonly Certificate[] {
  const path = pathToTrusted(chain, trusted);
  if (path.length - 2 > maxDepth) throw chainInvalid(`it has more than ${maxDepth} intermediates`);
  for (const [index, certificate] of path.entries()) {
    checkAlone(certificate, now);
    const issuer = path[index + 1];
    if (!issuer) continue;
    if (!certificate.isSignedBy(issuer))
      throw chainInvalid(`"${issuer.subject}" did not sign "${certificate.subject}"`);
    checkIssuer(issuer, path.slice(1, index + 1).filter(({isSelfIssued}) => !isSelfIssued).length);
  }
  const [only] = path;
  // Without an issuer only a certificate that is itself an authority can vouch for itself.
  if (path.length === 1 && only?.isSelfIssued) checkIssuer(only, 0);
  return path;
}

function pathToTrusted(
  chain: readonly [Certificate, ...Certificate[]],
  trusted: readonly Certificate[],
): readonly Certificate[] {
  for (const [index, certificate] of chain.entries()) {
    if (trusted.some((anchor) => anchor.x509.raw.equals(certificate.x509.raw)))
      return chain.slice(0, index + 1);
    const named = trusted.filter((anchor) => anchor.subjectDer.equals(certificate.issuerDer));
    const anchor = named.find((one) => certificate.isSignedBy(one)) ?? named[0];
    if (anchor) return [...chain.slice(0, index + 1), anchor];
  }
  const last = chain.at(-1) ?? chain[0];
  throw chainInvalid(`no trusted certificate issued "${last.subject}"`);
}

function checkAlone(certificate: Certificate, now: Date): void {
  const {subject, version, publicKey, extensions, x509} = certificate;
  if (version !== 3)
    throw chainInvalid(`"${subject}" is an X.509 version ${version} certificate, only version 3 will do`);
  if (!certificate.isValidAt(now)) {
    throw chainInvalid(
      `"${subject}" is valid from ${x509.validFrom} to ${x509.validTo}, not at ${now.toUTCString()}`,
    );
  }
  const {namedCurve, modulusLength} = publicKey.asymmetricKeyDetails ?? {};
  const isGoodKey =
    publicKey.asymmetricKeyType === 'ec'
      ? curves.has(namedCurve ?? '')
      : publicKey.asymmetricKeyType === 'rsa' && (modulusLength ?? 0) >= minRsaBits;
  if (!isGoodKey)
    throw chainInvalid(`the key of "${subject}" is neither on P-256, P-384 or P-521 nor RSA of 2048 bits`);
  if (!signatureOids.has(certificate.signatureOid))
    throw chainInvalid(`"${subject}" is signed with a weak algorithm`);
  for (const [oid, {isCritical}] of extensions) {
    if (isCritical && !understood.has(oid))
      throw chainInvalid(`"${subject}" has the unknown critical extension ${oid}`);
  }
}

function checkIssuer(issuer: Certificate, below: number): void {
  const {subject, basicConstraints, maySignCertificates} = issuer;
  if (!basicConstraints?.isCa) throw chainInvalid(`"${subject}" is not a certificate authority`);
  if (!basicConstraints.isCritical)
    throw chainInvalid(`the basicConstraints of "${subject}" are not critical`);
  if (maySignCertificates === false) throw chainInvalid(`"${subject}" must not sign certificates`);
  const {pathLength} = basicConstraints;
  if (pathLength !== undefined && below > pathLength) {
    throw chainInvalid(`"${subject}" allows ${pathLength} intermediates below it, the chain has ${below}`);
  }
}
