import {dirname} from 'node:path';
import type {Location} from '../../configs/issues-at.ts';
import {LocalTreeError} from '../../configs/local-tree.ts';
import {readPem} from '../../configs/pem-value.ts';
import type {Configs} from '../../configs/schema.ts';
import {SigningKey, signingChain, type SigningMaterial} from '../ota/image/write/signing-key.ts';
import {OtaError} from '../ota/ota-error.ts';
import {Certificate} from '../ota/signing/certificate.ts';
import {validateChain} from '../ota/signing/validate-chain.ts';

/** Where the password of an encrypted key is found. */
export const passwordVariable = 'HYPRIOTKIT_SIGN_KEY_PASSWORD';

const component = 'ota-bundler';

/**
 * Reads what updates are signed with, and checks that a device will accept it: the key fits the certificate, and the
 * certificates lead to the root, where one is given.
 *
 * @param file configs.json, absolute: paths are relative to its folder.
 * @param report takes each problem, at the field that it is about.
 * @returns undefined without a key, and where a problem was reported.
 */
export async function loadSigning(
  {[component]: config}: Configs,
  file: string,
  report: (location: Location, message: string) => void,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Promise<SigningMaterial | undefined> {
  if (config.sign_key === '') return undefined;
  const checking = new Checking(report);
  const read = (location: Location, value: string) =>
    checking.at(location, () => readPem(dirname(file), value, environment));
  const atKey = [component, 'sign_key'];
  const atCertificate = [component, 'sign_cert'];
  const pem = await read(atKey, config.sign_key);
  const passphrase = environment[passwordVariable];
  const key = pem && (await checking.at(atKey, () => parseKey(pem, passphrase)));
  const signed = await read(atCertificate, config.sign_cert);
  const own = signed && (await checking.at(atCertificate, () => splitCertificates(signed)));
  const others: {location: Location; pem: string}[] = (own || []).slice(1).map((one) => ({
    location: atCertificate,
    pem: one,
  }));
  for (const [index, value] of config.ca_certs.entries()) {
    const location = [component, 'ca_certs', index];
    const text = await read(location, value);
    const found = text && (await checking.at(location, () => splitCertificates(text)));
    for (const one of found || []) others.push({location, pem: one});
  }
  const [certificate] = own || [];
  if (!pem || !key || certificate === undefined || checking.hasFailed()) return undefined;
  const authorities = others.map(({pem: text}) => new Certificate(text));
  const isRoot = authorities.map(({isSelfIssued}) => isSelfIssued);
  const intermediates = others.filter((_, index) => !isRoot[index]).map(({pem: text}) => text);
  await checking.at(atCertificate, () => key.requireMatch(new Certificate(certificate)));
  const chain = await checking.at(atCertificate, () => signingChain(certificate, intermediates));
  if (chain === undefined) return undefined;
  const roots = authorities.filter((_, index) => isRoot[index]);
  const last = chain.at(-1) ?? chain[0];
  await checking.at(config.ca_certs.length > 0 ? [component, 'ca_certs'] : atCertificate, () =>
    // Without a root the certificates have to fit each other, as far as they go.
    validateChain(chain, roots.length > 0 ? roots : [last], new Date()),
  );
  if (checking.hasFailed()) return undefined;
  return {key: pem, certificate, intermediates, ...(passphrase !== undefined && {passphrase})};
}

/** Turns what is thrown into reports. */
class Checking {
  readonly #report: (location: Location, message: string) => void;
  #hasFailed = false;

  constructor(report: (location: Location, message: string) => void) {
    this.#report = report;
  }

  hasFailed(): boolean {
    return this.#hasFailed;
  }

  async at<T>(location: Location, check: () => T | Promise<T>): Promise<T | undefined> {
    try {
      return await check();
    } catch (error) {
      if (!(error instanceof OtaError || error instanceof LocalTreeError)) throw error;
      const says = error instanceof OtaError ? `cannot be used: ${lowerFirst(error.message)}` : error.message;
      this.#report(location, says);
      this.#hasFailed = true;
      return undefined;
    }
  }
}

function parseKey(pem: string, passphrase: string | undefined): SigningKey {
  if (/-----BEGIN (?:[A-Z]+ )*PUBLIC KEY-----/.test(pem))
    throw new LocalTreeError('holds a public key, and signing needs the private one');
  if (!pem.includes('PRIVATE KEY-----'))
    throw new LocalTreeError(
      pem.includes('-----BEGIN CERTIFICATE-----')
        ? 'holds a certificate, and signing needs its private key'
        : 'holds no private key in PEM form',
    );
  const isEncrypted = /-----BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type: 4,ENCRYPTED/m.test(pem);
  if (isEncrypted && (passphrase === undefined || passphrase === ''))
    throw new LocalTreeError(`holds an encrypted key, and ${passwordVariable} has no password for it`);
  return SigningKey.fromPem(pem, passphrase);
}

/** Each certificate of a PEM file; a private key is no business of such a file. */
function splitCertificates(text: string): string[] {
  if (text.includes('PRIVATE KEY-----'))
    throw new LocalTreeError('holds a private key, which belongs into sign_key');
  const found = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  if (found.length === 0) throw new LocalTreeError('holds no certificate in PEM form');
  // Fails for one that is none.
  for (const one of found) new Certificate(one);
  return found.map((one) => `${one}\n`);
}

function lowerFirst(text: string): string {
  return text.slice(0, 1).toLowerCase() + text.slice(1);
}
