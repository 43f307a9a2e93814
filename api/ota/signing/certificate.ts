import {X509Certificate, type KeyObject} from 'node:crypto';
import {OtaError} from '../ota-error.ts';
import {derTags, readDer, readOid, type DerElement} from './der.ts';

/** An extension of a certificate (RFC 5280, section 4.1.2.9). */
export interface Extension {
  readonly isCritical: boolean;
  readonly value: Buffer;
}

/** The extensions that are looked at, by their object identifiers. */
export const extensionIds = {keyUsage: '2.5.29.15', basicConstraints: '2.5.29.19'} as const;

/** What a certificate says of its role. */
export interface BasicConstraints {
  readonly isCritical: boolean;
  readonly isCa: boolean;
  /** How many intermediates may stand between it and the signing certificate; undefined: any number. */
  readonly pathLength: number | undefined;
}

/**
 * An X.509 certificate. Node.js checks signatures and knows keys; names, extensions and versions, which it hides or
 * normalises, are read from the DER.
 */
export class Certificate {
  readonly x509: X509Certificate;
  /** 1, 2 or 3. */
  readonly version: number;
  /** The DER of the names, for comparing. */
  readonly subjectDer: Buffer;
  readonly issuerDer: Buffer;
  readonly signatureOid: string;
  readonly extensions: ReadonlyMap<string, Extension>;

  /** @throws {OtaError} CHAIN_INVALID if it is not a certificate */
  constructor(encoded: Buffer | string) {
    try {
      this.x509 = new X509Certificate(encoded);
    } catch (error) {
      throw new OtaError('CHAIN_INVALID', `Not a certificate: ${(error as Error).message}`, {cause: error});
    }
    const [outer] = readDer(this.x509.raw);
    const [body, algorithm] = readDer(need(outer).content);
    const fields = readDer(need(body).content);
    const hasVersion = need(fields[0]).tag === 0xa0;
    this.version = hasVersion ? (readDer(need(fields[0]).content)[0]?.content[0] ?? 0) + 1 : 1;
    const [, , issuer, , subject, , ...rest] = hasVersion ? fields.slice(1) : fields;
    this.issuerDer = need(issuer).whole;
    this.subjectDer = need(subject).whole;
    this.signatureOid = readOid(need(readDer(need(algorithm).content)[0]).content);
    this.extensions = readExtensions(rest.find(({tag}) => tag === 0xa3));
  }

  get subject(): string {
    return this.x509.subject.replaceAll('\n', ', ');
  }

  get publicKey(): KeyObject {
    return this.x509.publicKey;
  }

  get isSelfIssued(): boolean {
    return this.subjectDer.equals(this.issuerDer);
  }

  get basicConstraints(): BasicConstraints | undefined {
    const extension = this.extensions.get(extensionIds.basicConstraints);
    if (!extension) return undefined;
    const [sequence] = readDer(extension.value);
    const fields = readDer(need(sequence).content);
    const isCa = fields.some(({tag, content}) => tag === derTags.boolean && content[0] !== 0);
    const length = fields.find(({tag}) => tag === derTags.integer);
    const pathLength =
      length && length.content.length <= 4 ? length.content.readUIntBE(0, length.content.length) : undefined;
    return {isCritical: extension.isCritical, isCa, pathLength};
  }

  /** Undefined if it says nothing about it. */
  get maySignCertificates(): boolean | undefined {
    const extension = this.extensions.get(extensionIds.keyUsage);
    if (!extension) return undefined;
    // BIT STRING: unused bits, then bits from the left; keyCertSign is number 5.
    const bits = readDer(extension.value)[0]?.content;
    return ((bits?.[1] ?? 0) & 0x04) !== 0;
  }

  isValidAt(time: Date): boolean {
    return time >= new Date(this.x509.validFrom) && time <= new Date(this.x509.validTo);
  }

  /** Whether `issuer` made the signature of this certificate. */
  isSignedBy(issuer: Certificate): boolean {
    try {
      return this.issuerDer.equals(issuer.subjectDer) && this.x509.verify(issuer.publicKey);
    } catch {
      return false;
    }
  }
}

function readExtensions(wrapper: DerElement | undefined): Map<string, Extension> {
  const extensions = new Map<string, Extension>();
  if (!wrapper) return extensions;
  for (const {content} of readDer(need(readDer(wrapper.content)[0]).content)) {
    const fields = readDer(content);
    const oid = readOid(need(fields[0]).content);
    const flag = fields[1];
    if (extensions.has(oid))
      throw new OtaError('CHAIN_INVALID', `A certificate has the extension ${oid} twice`);
    extensions.set(oid, {
      isCritical: flag?.tag === derTags.boolean && flag.content[0] !== 0,
      value: need(fields.at(-1)).content,
    });
  }
  return extensions;
}

function need(element: DerElement | undefined): DerElement {
  if (!element) throw new OtaError('CHAIN_INVALID', 'A certificate is malformed');
  return element;
}
