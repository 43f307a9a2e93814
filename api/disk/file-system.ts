import type {ByteSource} from './byte-source.ts';

/** A named value of a superblock or a boot sector. */
export interface IdentityField {
  readonly name: string;
  readonly value: string;
  /** Only follows from other differences: looked at after the files. */
  readonly follows?: boolean;
}

/** A file, folder or link inside a file system or an archive. */
export interface TreeEntry {
  /** What it is and what it carries besides content: `type`, `mode`, `mtime`, …, as text that can be compared and shown. */
  readonly fields: ReadonlyMap<string, string>;
  /** Content of a regular file. */
  readonly content?: ByteSource;
  /** Of ext4: names with the same number are one file. */
  readonly inode?: number;
  /** Of ext4: where extended attributes are kept, in the inode and in a block; each absent when there are none. */
  readonly attributeAreas?: {readonly inInode?: Buffer; readonly inBlock?: Buffer};
}

/** A file system inside a partition. */
export interface FileSystem {
  /** `ext4`, `FAT32`, `FAT16`. */
  readonly kind: string;
  /** What identifies it or tells of its making. */
  readonly identity: readonly IdentityField[];
  /** Everything in it by path, which starts with `/`. */
  readTree(): Promise<ReadonlyMap<string, TreeEntry>>;
  /** What lies at an offset of the partition, for a person: `inode table of group 3`. */
  describe(offset: number): string;
}

/** A file system or archive that does not hold together. It is then compared byte by byte. */
export class DamagedError extends Error {
  override readonly name = 'DamagedError';
}

/** A point in time as `2026-11-20T17:10:00Z`, with the seconds since 1970 for programs and doubts. */
export function timeText(seconds: number): string {
  const date = new Date(seconds * 1000);
  const iso = Number.isNaN(date.getTime()) ? 'no date' : date.toISOString().replace('.000Z', 'Z');
  return `${iso} (${seconds})`;
}

/** 16 bytes as a UUID. */
export function uuidText(bytes: Buffer): string {
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}

/** Text up to the first zero byte. */
export function stringAt(bytes: Buffer): string {
  const end = bytes.indexOf(0);
  return bytes.subarray(0, end === -1 ? bytes.length : end).toString('utf8');
}
