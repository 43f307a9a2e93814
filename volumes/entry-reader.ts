import type {StoreEntry} from './store-entry.ts';

/** A file of this machine whose content is known. */
export interface KnownFile {
  readonly path: string;
  /** Whether it is still the same: asked after it has been copied. */
  isSame(): Promise<boolean>;
}

/** Where the files of finished steps can be read: a volume, or a registry. */
export interface EntryReader {
  /** Reads a file without its holes, in the format of {@link formatRecord}: the pieces in order, then its size. */
  readFile(entry: StoreEntry, name: string, onChunk: (chunk: Buffer) => Promise<void> | void): Promise<void>;

  /** Whether `readFile` gets a file straight from the disk, without anything in between. Absent: never. */
  isNear?(entry: StoreEntry, name: string): Promise<boolean>;

  /** A file that has not changed since this process has last known its digest, on this machine. Absent: there is none. */
  findKnown?(entry: StoreEntry, name: string): Promise<KnownFile | undefined>;

  /** A small text file of an entry. */
  readText(entry: StoreEntry, name: string): Promise<string>;
}
