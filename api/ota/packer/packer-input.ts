import type {StoredFile} from '../../archive/stored-file.ts';
import type {RegularLine} from '../legacy/text-files.ts';

/** An image to pack, as the caller names it. */
export interface PackerImage {
  readonly ecuId: string;
  /** A legacy image (folder or tar), or a v1 image (folder or .zip). */
  readonly location: string;
  readonly version: string;
}

/** A file of the folder `data/` of a bundle. */
export interface DataFile {
  /** `<sha256>`, or `<sha256>.zst`: where otaproxy looks for a file of that hash. */
  readonly name: string;
  readonly stored: StoredFile;
  /** What it must be. */
  readonly check:
    | {readonly kind: 'plain'; readonly sha256: string; readonly label: string}
    | {readonly kind: 'zst'; readonly line: RegularLine};
}

/** What an image adds to a bundle. */
export interface PackerInput extends AsyncDisposable {
  /** `ota_metadata_version` of the manifest: 1 for legacy images, 2 for v1 images. */
  readonly metadataVersion: 1 | 2;
  readonly data: readonly DataFile[];
  /** The files of `meta/<index>/`, by name. */
  readonly meta: ReadonlyMap<string, Buffer>;
}
