import {issue, type Issued} from '../ota/signing/certificates.ts';

const day = 24 * 60 * 60 * 1000;

/** A root, an intermediate and a signing certificate that are valid today. */
export interface Signers {
  readonly root: Issued;
  readonly middle: Issued;
  readonly leaf: Issued;
  /** PEM of the key of `leaf`. */
  readonly key: string;
}

export const pemOf = ({privateKey}: Issued) => privateKey.export({type: 'pkcs8', format: 'pem'}) as string;

/** Certificates for `ota-bundler`; what else they shall be is for the signing one. */
export async function makeSigners(more: Partial<Parameters<typeof issue>[0]> = {}): Promise<Signers> {
  const notBefore = new Date(Date.now() - day);
  const notAfter = new Date(Date.now() + day);
  const root = await issue({name: 'root', ca: {}, notBefore, notAfter});
  const middle = await issue({name: 'middle', issuer: root, ca: {pathLength: 0}, notBefore, notAfter});
  const leaf = await issue({name: 'sign', issuer: middle, notBefore, notAfter, ...more});
  return {root, middle, leaf, key: pemOf(leaf)};
}
