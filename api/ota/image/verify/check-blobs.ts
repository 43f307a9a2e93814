import type {BlobFiles} from '../content/blob-files.ts';
import type {Sha256Hex} from '../model/digest.ts';
import {OtaError, type OtaErrorCode} from '../../ota-error.ts';

/** A blob that is not what it should be. */
export interface BlobProblem {
  readonly digest: Sha256Hex;
  readonly code: OtaErrorCode;
  readonly message: string;
}

/** Reads all of some blobs and tells which are broken. */
export function checkBlobs(blobs: BlobFiles, digests: readonly Sha256Hex[]): readonly BlobProblem[] {
  const problems: BlobProblem[] = [];
  for (const digest of digests) {
    try {
      blobs.check(digest);
    } catch (error) {
      problems.push(asProblem(digest, error));
    }
  }
  return problems;
}

/** What an error says of a blob; anything but an {@link OtaError} is thrown on. */
export function asProblem(digest: Sha256Hex, error: unknown): BlobProblem {
  if (!(error instanceof OtaError)) throw error;
  return {digest, code: error.code, message: error.message};
}
