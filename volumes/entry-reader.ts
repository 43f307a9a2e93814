import type {StoreEntry} from './store-entry.ts';

/** Where the files of finished steps can be read: a volume, or a registry. */
export interface EntryReader {
  /** Reads a file without its holes, in the format of {@link formatRecord}: the pieces in order, then its size. */
  readFile(entry: StoreEntry, name: string, onChunk: (chunk: Buffer) => Promise<void> | void): Promise<void>;

  /** Whether `readFile` gets a file straight from the disk, without anything in between. Absent: never. */
  isNear?(entry: StoreEntry, name: string): Promise<boolean>;

  /** A small text file of an entry. */
  readText(entry: StoreEntry, name: string): Promise<string>;
}
