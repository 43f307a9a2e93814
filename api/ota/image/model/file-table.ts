import type {Sha256Hex} from './digest.ts';
import type {Xattrs} from './xattrs.ts';

/** Files up to this many bytes are kept in the file table itself. */
export const maxInlineSize = 64;

/** Always there; all empty files use it. */
export const emptyFileResourceId = 0;

/** The tables and indexes in the order in which the reference makes them. Page size 4096, no WAL, no foreign keys. */
export const fileTableDdl: readonly string[] = [
  `CREATE TABLE ft_regular (path TEXT PRIMARY KEY, inode_id INTEGER NOT NULL, resource_id INTEGER) WITHOUT ROWID`,
  `CREATE INDEX fr_resource_id_index ON ft_regular (resource_id)`,
  `CREATE INDEX fr_inode_id_index ON ft_regular (inode_id)`,
  `CREATE TABLE ft_dir (path TEXT PRIMARY KEY, inode_id INTEGER NOT NULL) WITHOUT ROWID`,
  `CREATE INDEX fd_inode_id_index ON ft_dir (inode_id)`,
  `CREATE TABLE ft_non_regular (path TEXT PRIMARY KEY, inode_id INTEGER NOT NULL, meta BLOB) WITHOUT ROWID`,
  `CREATE INDEX fnr_inode_id_index ON ft_non_regular (inode_id)`,
  `CREATE TABLE ft_resource (resource_id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, size INTEGER NOT NULL, contents BLOB)`,
  `CREATE TABLE ft_inode (inode_id INTEGER PRIMARY KEY, uid INTEGER NOT NULL, gid INTEGER NOT NULL, mode INTEGER NOT NULL, links_count INTEGER, xattrs BLOB)`,
];

/** Owner, mode and attributes, shared by the paths of a hard-linked file. */
export interface Inode {
  /** Negative for files with more than one link. */
  readonly id: number;
  readonly uid: number;
  readonly gid: number;
  /** The whole `st_mode`, type bits included. */
  readonly mode: number;
  /** Given only when the file has more than one link. */
  readonly linksCount: number | undefined;
  readonly xattrs: Xattrs;
}

export interface DirectoryRow {
  /** Absolute and canonical; the root itself is `/`. */
  readonly path: string;
  readonly inode: Inode;
}

/** A symbolic link, or a whiteout (character device 0:0), which has no target. */
export interface NonRegularRow {
  readonly path: string;
  readonly inode: Inode;
  readonly target: string | undefined;
}

export interface RegularRow {
  readonly path: string;
  readonly inode: Inode;
  readonly resourceId: number;
}

/** The content of files. `contents` is given for at most {@link maxInlineSize} bytes, which then have no blob. */
export interface FileResourceRow {
  readonly id: number;
  readonly digest: Sha256Hex;
  readonly size: number;
  readonly contents: Uint8Array | undefined;
}
