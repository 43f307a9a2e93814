import type {Checksum} from '../download/download-request.ts';
import type {Platform} from '../registry/image-source.ts';
import type {ImageReference} from '../registry/reference.ts';
import type {Transformation} from './config-schema.ts';

/** Where a base image comes from. */
export type BaseSource =
  | {readonly kind: 'release'; readonly version: string; readonly releases: string}
  | {readonly kind: 'url'; readonly url: string}
  /** A configs.json, or the folder that it was built into. */
  | {readonly kind: 'pipeline'; readonly path: string};

export interface ContentBase {
  readonly source: BaseSource;
  readonly checksum: Checksum | undefined;
  /** Where the data partition begins, if somebody has said it. */
  readonly rootBytes: number | undefined;
}

/** A container image that goes into the image. */
export interface ContentImage {
  /** The field, for messages: `oci_images[0]`. */
  readonly field: string;
  /** As it is written in the configuration. */
  readonly name: string;
  readonly reference: ImageReference;
  readonly platform: Platform;
  /** Of an exported tar. */
  readonly url: string | undefined;
  readonly tarBytes: number | undefined;
  readonly unpackedBytes: number | undefined;
  /** Path on the data partition. */
  readonly to: string;
}

/** A file or archive that goes into the image. */
export interface ContentFile {
  /** The field, for messages: `files[0]`. */
  readonly field: string;
  /** Path on the data partition, which is `/` for all of it. */
  readonly to: string;
  readonly via: Transformation;
  readonly source:
    | {readonly kind: 'content'; readonly bytes: Buffer}
    | {readonly kind: 'url'; readonly url: string; readonly mirrors: readonly string[]};
  readonly checksum: Checksum | undefined;
  /** Bytes once unpacked, if somebody has said it. */
  readonly sizeBytes: number | undefined;
}

/** A configuration whose every value has been checked. */
export interface ContentConfig {
  readonly base: ContentBase;
  /** undefined: as small as may be. */
  readonly outputBytes: number | undefined;
  readonly shrink: boolean;
  readonly images: readonly ContentImage[];
  readonly files: readonly ContentFile[];
  /** What goes onto the boot partition; undefined for nothing. */
  readonly offspot: Readonly<Record<string, unknown>> | undefined;
}
