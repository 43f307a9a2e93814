import {OtaError} from '../ota-error.ts';
import type {Certificate} from './certificate.ts';

/** More are refused: no chain in use has four. */
const maxCertificates = 6;

/**
 * Puts the certificates of an x5c header in order, whatever their order there: the signing certificate, then the issuer
 * of each. The signing certificate is the one that issued none of the others.
 * @throws {OtaError} CHAIN_INVALID if there is a root among them, a second chain, or nothing to start from
 */
export function orderChain(certificates: readonly Certificate[]): readonly [Certificate, ...Certificate[]] {
  if (certificates.length > maxCertificates) {
    throw chainInvalid(`x5c has ${certificates.length} certificates, at most ${maxCertificates} are allowed`);
  }
  const root = certificates.find(({isSelfIssued}) => isSelfIssued);
  if (root)
    throw chainInvalid(`x5c has the self-issued certificate "${root.subject}"; a root must not be there`);
  const leaves = certificates.filter((one) => !certificates.some((other) => issued(one, other)));
  const [leaf, second] = leaves;
  if (!leaf) throw chainInvalid('x5c has no signing certificate');
  if (second) throw chainInvalid(`x5c has two chains: of "${leaf.subject}" and of "${second.subject}"`);
  const chain: [Certificate, ...Certificate[]] = [leaf];
  for (let last = leaf; ;) {
    const issuer = certificates.find((other) => issued(other, last));
    if (!issuer) break;
    if (chain.includes(issuer)) throw chainInvalid('the certificates of x5c issued each other in a circle');
    chain.push(issuer);
    last = issuer;
  }
  if (chain.length !== certificates.length)
    throw chainInvalid('x5c has certificates that are not part of the chain');
  return chain;
}

function issued(issuer: Certificate, subject: Certificate): boolean {
  return issuer !== subject && subject.issuerDer.equals(issuer.subjectDer);
}

export function chainInvalid(problem: string): OtaError {
  return new OtaError('CHAIN_INVALID', `The certificate chain is not valid: ${problem}`);
}
