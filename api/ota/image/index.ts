/**
 * OTA images, version 1: a folder, ZIP artifact or web folder with index.json, index.jwt and blobs/sha256/…
 *
 * Modules, in the order of their imports (each knows only those before it):
 *
 * - `../ota-error.ts`, `../signing/`: the error class; certificate chains, ES256 (shared with the legacy format).
 * - `model/`: media types, annotation keys, digests, the JSON documents and how they are written, the SQL of the two
 *   tables, filters, extended attributes. No input and output in it.
 * - `zstd/`: decompressing with a bound; compressing to the bytes of the reference.
 * - `read/`: image sources (folder, ZIP, http), the documents of an image, both tables, resources from blobs.
 * - `content/`: the bytes of a resource, made of blobs on this machine, every digest checked; runs in worker threads.
 * - `verify/`, `deploy/`: what is done with an image that was read.
 * - `write/`: init, prepare, add, finalize, sign, pack; `diff/`: what a device must download.
 */
export {OtaError} from '../ota-error.ts';
export type {OtaErrorCode} from '../ota-error.ts';
export {digestFromHex, hexOf, isSha256Hex} from './model/digest.ts';
export type {Digest, Sha256Hex} from './model/digest.ts';
export type {Descriptor} from './model/descriptor.ts';
export type {ImageIndex, ReleaseKey} from './model/image-index.ts';
export type {ImageManifest} from './model/image-manifest.ts';
export type {ImageConfig} from './model/image-config.ts';
export type {IndexClaims} from './model/index-claims.ts';
export type {Filter} from './model/filter.ts';
export type * from './model/file-table.ts';
export type {ResourceRow} from './model/resource-table.ts';
export {keys} from './model/annotation-keys.ts';
export {artifactTypes, mediaTypes} from './model/media-types.ts';
export {ImageReader} from './read/image-reader.ts';
export type {Payload} from './read/image-reader.ts';
export {openSource} from './read/open-source.ts';
export type {ImageSource} from './read/image-source.ts';
export {FileTable} from './read/file-table.ts';
export {ResourceTable} from './read/resource-table.ts';
export {readBlob, streamBlob} from './read/read-file.ts';
export {saveBlob, saveTable} from './read/save.ts';
export {verifySignature} from './verify/verify-signature.ts';
export type {VerifiedSignature, VerifySignatureOptions} from './verify/verify-signature.ts';
export {verifyResources} from './verify/verify-resources.ts';
export type {ResourcesReport, VerifyResourcesOptions} from './verify/verify-resources.ts';
export type {BlobProblem} from './verify/check-blobs.ts';
export {deployImage} from './deploy/deploy-image.ts';
export type {DeployOptions, DeployResult} from './deploy/deploy-image.ts';
