import {mkdtemp, rm} from 'node:fs/promises';
import {dirname, join, resolve} from 'node:path';
import {asOtaError} from '../../io-error.ts';
import {openRootfs} from '../../rootfs/open-rootfs.ts';
import type {Rootfs} from '../../rootfs/rootfs.ts';
import {addPayload, type AddImageOptions, type AddImageResult} from './add-image.ts';
import {addOtaclientPackage} from './add-otaclient-package.ts';
import {BlobStore} from './blob-store.ts';
import {
  beginFilters,
  finalizeBlobs,
  type BegunFilters,
  type FinalizeOptions,
  type FinalizeResult,
} from './finalize-image.ts';
import {ImageFolder} from './image-folder.ts';
import {initImage} from './init-image.ts';
import {packArtifact, requireAbsent} from './pack-artifact.ts';
import type {ResourceRows} from './resource-rows.ts';
import {signImage} from './sign-image.ts';
import {SigningKey, signingChain, type SigningMaterial} from './signing-key.ts';

export interface BuildOtaImageOptions
  extends
    Omit<AddImageOptions, 'image' | 'rootfs'>,
    Pick<FinalizeOptions, 'skipBundle' | 'skipCompression' | 'skipSlice'> {
  /** As in {@link AddImageOptions}, or opened already; then it is disposed of here. */
  readonly rootfs: string | Rootfs;
  /** The ZIP artifact to be made. */
  readonly output: string;
  /** Without it the image is not signed. */
  readonly signing?: SigningMaterial | undefined;
  /** An otaclient release folder to put into the image. */
  readonly otaclientRelease?: string | undefined;
}

export interface BuildOtaImageResult extends AddImageResult, FinalizeResult {
  readonly isSigned: boolean;
  readonly sizeBytes: number;
}

/**
 * Makes an artifact from a root file system in one go. The contents of files are compressed from where they are, without
 * a copy; everything else is as if `init`, `add-image`, `finalize`, `sign` and `pack-artifact` had been run, and so is the
 * artifact. The same root file system, options and `created` give the same bytes.
 * @example
 * await buildOtaImage({rootfs: './rootfs', ecus: [{ecuId: 'main'}], annotations, output: 'main.zip', signing, created: 1795191664});
 * @throws {OtaError}
 */
export async function buildOtaImage(options: BuildOtaImageOptions): Promise<BuildOtaImageResult> {
  const output = resolve(options.output);
  await requireAbsent(output);
  // A wrong key shall not be found only after the work.
  if (options.signing) {
    const key = SigningKey.fromPem(options.signing.key, options.signing.passphrase);
    key.requireMatch(signingChain(options.signing.certificate, options.signing.intermediates)[0]);
  }
  const created = options.created ?? Math.floor(Date.now() / 1000);
  try {
    // Beside the artifact: room for it is there, and the system's folder for temporary files may be in memory.
    const path = await mkdtemp(join(options.tmpDir ?? dirname(output), '.ota-build-'));
    try {
      return await buildIn(path, {...options, output, created});
    } finally {
      await rm(path, {recursive: true, force: true});
    }
  } catch (error) {
    throw asOtaError(error);
  }
}

async function buildIn(
  path: string,
  options: BuildOtaImageOptions & {readonly created: number},
): Promise<BuildOtaImageResult> {
  await initImage(path, options.annotations);
  const {otaclientRelease, signing, created} = options;
  if (otaclientRelease !== undefined) await addOtaclientPackage(path, otaclientRelease);
  const image = await ImageFolder.open(path);
  const {rootfs: given} = options;
  await using rootfs = typeof given === 'string' ? await openRootfs(given, options) : given;
  await using store = new BlobStore(image.blobsPath, options);
  let begun: BegunFilters | undefined;
  const onDeferred = ({rows}: ResourceRows) => (begun = beginFilters(rows.slice(), store, options));
  const added = await addPayload(image, store, rootfs, {...options, onDeferred});
  const finalized = await finalizeBlobs(image, store, {...options, begun});
  if (signing) await signImage({...signing, image: path, signedAt: created});
  const {signal, onProgress, output} = options;
  const packed = await packArtifact({
    image: path,
    output,
    signal,
    onProgress,
    allowUnsigned: signing === undefined,
  });
  return {...added, ...finalized, ...packed, isSigned: signing !== undefined};
}
