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
