import type {ZipEntry} from './zip/zip-entry.ts';

/** Where the files of an image come from. Paths are relative to the image, with `/`. */
export interface ImageSource extends AsyncDisposable {
  readonly kind: 'folder' | 'zip' | 'web';
  /** As the caller named it; for messages. */
  readonly location: string;
  /**
   * The bytes of a file, or undefined if it is not there. Never more than `limit` bytes.
   * @throws {OtaError} BLOB_CORRUPT if it is longer; the error of the source if it cannot be read
   */
  read(path: string, limit: number): Promise<AsyncIterable<Uint8Array> | undefined>;
  /** The size of each file, by path; undefined where files cannot be listed (a web folder). */
  files(): ReadonlyMap<string, number> | undefined;
  /** What another thread needs to read the blobs by itself; undefined unless they are on this machine. */
  readonly local: LocalImage | undefined;
}

/** Blobs on this machine, in a form that can be sent to another thread. */
export type LocalImage =
  | {readonly kind: 'folder'; readonly folder: string}
  | {readonly kind: 'zip'; readonly file: string; readonly entries: ReadonlyMap<string, StoredEntry>};

/** A file of an archive whose local header was checked. */
export interface StoredEntry extends ZipEntry {
  readonly dataOffset: number;
}
