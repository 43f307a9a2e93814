import {readdir, readFile} from 'node:fs/promises';
import {join} from 'node:path';
import {OtaError} from '../ota-error.ts';
import {Certificate} from '../signing/certificate.ts';
import {validateChain} from '../signing/validate-chain.ts';
import {checkContent} from './check-content.ts';
import {checkPath, type LegacyImage} from './legacy-image.ts';
import {isSignedWith} from './metadata-jwt.ts';
import type {RegularLine} from './text-files.ts';

export interface VerifyLegacyOptions {
  /** Folder of `<env>.<anything>.pem`; files of one `<env>` are one chain. Without it the chain is not checked. */
  readonly caFolder?: string | undefined;
  /** For the periods of validity. */
  readonly now?: Date | undefined;
  /** Checks the signature and the lists only. */
  readonly skipContents?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface VerifiedLegacy {
  readonly signer: string;
  /** The `<env>` whose certificates vouch for the signer; undefined when they were not asked. */
  readonly environment: string | undefined;
  readonly regularFiles: number;
  /** Contents that were read and hashed. */
  readonly contents: number;
}

/**
 * Checks that a legacy image is signed by whom it should be, and that every list and every content is the signed one.
 *
 * @throws {OtaError} SIGNATURE_INVALID, CHAIN_INVALID, CA_FOLDER_INVALID, BLOB_MISSING, BLOB_CORRUPT, METADATA_INVALID
 */
export async function verifyLegacyImage(
  image: LegacyImage,
  {caFolder, now = new Date(), skipContents = false, signal}: VerifyLegacyOptions = {},
): Promise<VerifiedLegacy> {
  const certificate = new Certificate(await image.metaFile(image.token.metadata.certificate));
  const environment = caFolder === undefined ? undefined : await findEnvironment(caFolder, certificate, now);
  if (!isSignedWith(image.token, certificate.publicKey)) {
    throw new OtaError(
      'SIGNATURE_INVALID',
      `metadata.jwt was not signed with the key of "${certificate.subject}"`,
    );
  }
  for (const {path} of [...(await image.directories()), ...(await image.symlinks())]) checkPath(path);
  for (const path of await image.persistents()) checkPath(path);
  const regulars = await image.regulars();
  const lines = new Map(regulars.map((line) => [`${line.sha256}.${line.compression ?? ''}`, line]));
  // Every path must be there, although contents are read once.
  const seen = new Map<string, RegularLine>();
  for (const line of regulars) {
    signal?.throwIfAborted();
    const stored = await image.stored(line);
    const place = `${stored.path}:${stored.offset}:${line.sha256}`;
    if (skipContents || seen.has(place)) continue;
    seen.set(place, line);
    await checkContent(line, stored);
  }
  return {
    signer: certificate.subject,
    environment,
    regularFiles: regulars.length,
    contents: skipContents ? 0 : lines.size,
  };
}

/** The environment whose root vouches for a certificate; its own intermediates may stand between. */
async function findEnvironment(folder: string, certificate: Certificate, now: Date): Promise<string> {
  const problems: string[] = [];
  for (const [name, group] of await readGroups(folder)) {
    const roots = group.filter(({isSelfIssued}) => isSelfIssued);
    if (roots.length === 0) {
      problems.push(`${name}: it has no root`);
      continue;
    }
    const chain: [Certificate, ...Certificate[]] = [certificate];
    for (;;) {
      const last = chain.at(-1);
      const issuer = group.find((one) => !one.isSelfIssued && !chain.includes(one) && last?.isSignedBy(one));
      if (issuer === undefined) break;
      chain.push(issuer);
    }
    try {
      validateChain(chain, roots, now);
      return name;
    } catch (error) {
      if (!(error instanceof OtaError)) throw error;
      problems.push(`${name}: ${error.message}`);
    }
  }
  throw new OtaError(
    'CHAIN_INVALID',
    `nobody in ${folder} vouches for "${certificate.subject}" (${problems.join('; ')})`,
  );
}

async function readGroups(folder: string): Promise<ReadonlyMap<string, readonly Certificate[]>> {
  const names = await readdir(folder).catch((error: unknown) => {
    throw new OtaError('CA_FOLDER_INVALID', `The CA folder ${folder} cannot be read`, {cause: error});
  });
  const groups = new Map<string, Certificate[]>();
  for (const name of names.sort()) {
    const environment = /^([^.]+)\..+\.pem$/.exec(name)?.[1];
    if (environment === undefined) continue;
    const certificate = new Certificate(await readFile(join(folder, name)));
    groups.set(environment, [...(groups.get(environment) ?? []), certificate]);
  }
  if (groups.size === 0) {
    throw new OtaError('CA_FOLDER_INVALID', `The CA folder ${folder} has no <environment>.<name>.pem`);
  }
  return groups;
}
