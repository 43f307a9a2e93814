import type {FileContent} from './file-content.ts';

/** Type bits of `st_mode`. */
export const fileTypes = {
  mask: 0o170_000,
  socket: 0o140_000,
  link: 0o120_000,
  file: 0o100_000,
  blockDevice: 0o060_000,
  folder: 0o040_000,
  characterDevice: 0o020_000,
  pipe: 0o010_000,
} as const;

/** A file, folder, symbolic link or whiteout of a root file system. */
export interface RootfsEntry {
  /** Absolute and canonical; the root itself is `/`. */
  readonly path: string;
  /** The whole `st_mode`, type bits included. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly xattrs: ReadonlyMap<string, Uint8Array>;
  /** Given for what is not a folder and has more than one name: entries with the same `key` are one file. */
  readonly links?: {readonly key: string; readonly count: number};
  /** Of a regular file. */
  readonly content?: FileContent;
  /** Of a symbolic link. */
  readonly target?: string;
}

/** A root file system to be put into an image. */
export interface Rootfs extends AsyncDisposable {
  /** Sorted by path, `/` first. */
  readonly entries: readonly RootfsEntry[];
  /** What an OTA image cannot hold: devices, pipes, sockets. */
  readonly dropped: readonly {readonly path: string; readonly type: string}[];
}
