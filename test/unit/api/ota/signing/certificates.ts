import 'reflect-metadata';
import {
  BasicConstraintsExtension,
  Extension,
  type KeyUsageFlags,
  KeyUsagesExtension,
  X509CertificateGenerator,
} from '@peculiar/x509';
import {KeyObject, webcrypto} from 'node:crypto';
import {Certificate} from '../../../../../api/ota/signing/certificate.ts';

/** A certificate and the key that belongs to it. */
export interface Issued {
  readonly certificate: Certificate;
  readonly pem: string;
  readonly privateKey: KeyObject;
  readonly keys: webcrypto.CryptoKeyPair;
  readonly name: string;
}

/** What a test certificate shall be; without issuer it is self-signed. */
export interface CertificateSpec {
  readonly name: string;
  readonly issuer?: Issued;
  /** Undefined: no basicConstraints. */
  readonly ca?: {readonly pathLength?: number; readonly critical?: boolean} | undefined;
  readonly curve?: 'P-256' | 'P-384';
  readonly notBefore?: Date;
  readonly notAfter?: Date;
  readonly keyUsage?: KeyUsageFlags;
  readonly unknownCritical?: boolean;
}

/** The time at which the tests of chains take place. */
export const now = new Date('2026-06-01T00:00:00Z');
let serial = 1;

export async function issue(spec: CertificateSpec): Promise<Issued> {
  const algorithm = {name: 'ECDSA', namedCurve: spec.curve ?? 'P-256'};
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const {issuer} = spec;
  const generated = await X509CertificateGenerator.create(
    {
      serialNumber: (serial++).toString(16).padStart(2, '0'),
      subject: `CN=${spec.name}`,
      issuer: `CN=${issuer?.name ?? spec.name}`,
      notBefore: spec.notBefore ?? new Date('2026-01-01T00:00:00Z'),
      notAfter: spec.notAfter ?? new Date('2027-01-01T00:00:00Z'),
      publicKey: keys.publicKey,
      signingKey: (issuer?.keys ?? keys).privateKey,
      signingAlgorithm: {name: 'ECDSA', hash: 'SHA-256'},
      extensions: [
        ...(spec.ca
          ? [new BasicConstraintsExtension(true, spec.ca.pathLength, spec.ca.critical ?? true)]
          : []),
        ...(spec.keyUsage === undefined ? [] : [new KeyUsagesExtension(spec.keyUsage, true)]),
        ...(spec.unknownCritical ? [new Extension('1.2.3.4', true, new Uint8Array([5, 0]))] : []),
      ],
    },
    webcrypto,
  );
  const pem = generated.toString('pem');
  return {
    certificate: new Certificate(pem),
    pem,
    privateKey: KeyObject.from(keys.privateKey),
    keys,
    name: spec.name,
  };
}
