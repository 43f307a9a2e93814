import {closeSync, openSync} from 'node:fs';
import {chmod, lchown, link, mkdir, open, rm, symlink, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {OutputFile} from '../../archive/output-file.ts';
import {endOfTar, formatTarHeader, zerosAfter} from '../../archive/tar-format.ts';
import {OtaError} from '../ota-error.ts';
import {readContent, type FileContent} from '../rootfs/file-content.ts';

/** Permissions and owner of a member of the tree. */
export interface Owner {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

/** Takes the members of a legacy image, folders before what is in them. Paths are relative to the image. */
export interface LegacySink {
  folder(path: string, owner?: Owner): Promise<void>;
  symlink(path: string, target: string, owner: Owner): Promise<void>;
  /** Another name for a file that is there. */
  hardlink(path: string, target: string): Promise<void>;
  content(path: string, content: FileContent, owner: Owner): Promise<void>;
  /** A file of the image itself. */
  file(path: string, bytes: readonly Uint8Array[]): Promise<void>;
  finish(): Promise<void>;
  /** Removes what there is. */
  abandon(): Promise<void>;
}

const pieceBytes = 1024 * 1024;

/** The pieces of some content, from where it is. */
export function* piecesOf(content: FileContent): Generator<Buffer> {
  const file = openSync(content.file, 'r');
  try {
    for (let at = 0; at < content.sizeBytes; at += pieceBytes)
      yield readContent(content, file, at, Math.min(pieceBytes, content.sizeBytes - at));
  } finally {
    closeSync(file);
  }
}

/**
 * A legacy image as a folder; owners need root.
 * @throws {OtaError} OUTPUT_EXISTS
 */
export async function openFolderSink(root: string): Promise<LegacySink> {
  await mkdir(root).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    throw new OtaError('OUTPUT_EXISTS', `${root} exists already`, {cause: error});
  });
  const folders: {readonly path: string; readonly owner: Owner}[] = [];
  const own = async (path: string, {uid, gid, mode}: Owner) => {
    await lchown(path, uid, gid);
    await chmod(path, mode);
  };
  return {
    async folder(path, owner) {
      await mkdir(join(root, path));
      if (owner) folders.push({path: join(root, path), owner});
    },
    async symlink(path, target, {uid, gid}) {
      await symlink(target, join(root, path));
      await lchown(join(root, path), uid, gid);
    },
    hardlink: (path, target) => link(join(root, target), join(root, path)),
    async content(path, content, owner) {
      const output = await open(join(root, path), 'wx');
      try {
        for (const piece of piecesOf(content)) await output.writeFile(piece);
      } finally {
        await output.close();
      }
      await own(join(root, path), owner);
    },
    file: (path, bytes) => writeFile(join(root, path), Buffer.concat(bytes)),
    async finish() {
      // Last, and the inner ones first: a folder may forbid writing into it.
      for (const {path, owner} of folders.toReversed()) await own(path, owner);
    },
    abandon: () => rm(root, {recursive: true, force: true}),
  };
}

/** Nothing else of what a caller may hand over. */
const ownerOf = ({mode, uid, gid}: Owner): Owner => ({mode, uid, gid});

/** A legacy image as a tar; every time in it is `mtime`, seconds since 1970. Anybody can write it. */
export async function openTarSink(path: string, mtime: number): Promise<LegacySink> {
  const output = await OutputFile.create(path);
  const member = (entry: Parameters<typeof formatTarHeader>[0]) =>
    output.write(formatTarHeader({...entry, path: `./${entry.path}`, mtime}));
  await member({path: '', type: 'folder'});
  return {
    folder: (name, owner) => member({path: name, type: 'folder', ...(owner && ownerOf(owner))}),
    symlink: (name, target, owner) =>
      member({path: name, type: 'symlink', linkTarget: target, ...ownerOf(owner)}),
    hardlink: (name, target) => member({path: name, type: 'hardlink', linkTarget: `./${target}`}),
    async content(name, content, owner) {
      const {sizeBytes} = content;
      await member({path: name, type: 'file', sizeBytes, ...ownerOf(owner)});
      for (const piece of piecesOf(content)) await output.write(piece);
      await output.write(zerosAfter(sizeBytes));
    },
    async file(name, bytes) {
      const sizeBytes = bytes.reduce((sum, {length}) => sum + length, 0);
      await member({path: name, type: 'file', sizeBytes});
      for (const piece of bytes) await output.write(piece);
      await output.write(zerosAfter(sizeBytes));
    },
    async finish() {
      await output.write(endOfTar);
      await output.finish({sync: false});
    },
    async abandon() {
      await output.abandon();
      await rm(path, {force: true});
    },
  };
}
