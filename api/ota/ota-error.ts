/** Why an OTA image could not be read, made, verified or deployed; stable, so that nobody has to match on a message. */
export type OtaErrorCode =
  /** An option or an input file of the caller is wrong (annotations, sys config, release folder, …). */
  | 'INPUT_INVALID'
  /** What was given is neither an image folder, nor an artifact, nor the address of one. */
  | 'NOT_AN_IMAGE'
  /** A JSON or YAML document of the image breaks its schema. */
  | 'METADATA_INVALID'
  /** No payload of the image has the ECU id and release key that were asked for. */
  | 'PAYLOAD_NOT_FOUND'
  /** The payload has an artifact type that this version does not know. */
  | 'PAYLOAD_UNSUPPORTED'
  | 'PAYLOAD_DUPLICATE'
  | 'BLOB_MISSING'
  /** The bytes are not those that the name, the descriptor or the table promises. */
  | 'BLOB_CORRUPT'
  | 'ZIP_INVALID'
  | 'ZSTD_INVALID'
  /** A file table or a resource table is not a database of the right form. */
  | 'TABLE_INVALID'
  /** A filter of the resource table is malformed, leaves the table, leads in a circle or out of a bundle. */
  | 'FILTER_INVALID'
  /** A path or a name of the image would lead outside the target, or cannot be written. */
  | 'PATH_UNSAFE'
  | 'NAME_NOT_UTF8'
  | 'ROOTFS_INVALID'
  | 'NOT_FINALIZED'
  | 'ALREADY_FINALIZED'
  | 'NOT_SIGNED'
  | 'ALREADY_SIGNED'
  /** index.jwt is malformed, expired, of another algorithm, or does not fit index.json. */
  | 'SIGNATURE_INVALID'
  /** The certificates do not lead from the signing certificate to a trusted one. */
  | 'CHAIN_INVALID'
  | 'CA_FOLDER_INVALID'
  /** A key or certificate for signing is unusable, or the two do not belong together. */
  | 'KEY_INVALID'
  /** The file or folder to be made is there already. */
  | 'OUTPUT_EXISTS'
  /** Reading or writing failed (disk full, no permission, connection lost). */
  | 'IO_FAILED'
  | 'HTTP_FAILED'
  /** A program of the host is needed and not there. */
  | 'TOOL_MISSING'
  | 'INTERRUPTED';

/** The one error class that `api/ota` throws for what a user, an image or a device can cause. */
export class OtaError extends Error {
  override readonly name = 'OtaError';
  readonly code: OtaErrorCode;
  /** What the user can do about it; printed under the message. */
  readonly hint: string | undefined;

  constructor(
    code: OtaErrorCode,
    message: string,
    options: {hint?: string | undefined; cause?: unknown} = {},
  ) {
    super(message, options.cause === undefined ? {} : {cause: options.cause});
    this.code = code;
    this.hint = options.hint;
  }
}
