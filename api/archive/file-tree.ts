import {createHash} from 'node:crypto';
import {lstat, mkdtemp, realpath, rm, stat} from 'node:fs/promises';
import {dirname, join, resolve, sep} from 'node:path';
import {ArchiveError} from './archive-error.ts';
import {FileByteReader, StreamByteReader, type ByteReader} from './byte-reader.ts';
import {decompressFile, detectCompression, type Compression} from './decompress.ts';
import {OutputFile} from './output-file.ts';
import type {StoredFile} from './stored-file.ts';
import {checkMemberPath, readTarMembers, type TarMember} from './tar-reader.ts';

/** The regular files below a folder or in a tar, found by path and read at any place. */
export interface FileTree extends AsyncDisposable {
  /** A regular file by its path in the tree; undefined when there is none. Links are not followed. */
  find(path: string): Promise<StoredFile | undefined>;
}

/**
 * Opens a folder or a tar. The files of a plain tar stay where they are; a compressed one is read once, and the
 * contents of its files are kept in one file in `spoolParent`, each content once.
 *
 * @throws ArchiveError when the tar is damaged, or has members that no honest one has.
 */
export async function openFileTree(location: string, spoolParent: string): Promise<FileTree> {
  if ((await stat(location)).isDirectory()) return new FolderTree(await realpath(location));
  const compression = await detectCompression(location);
  if (compression === 'none') {
    await using reader = await FileByteReader.open(location);
    const files = await indexMembers(reader, (member) =>
      Promise.resolve({path: location, offset: member.offset, sizeBytes: member.sizeBytes}),
    );
    return new IndexedTree(files, undefined);
  }
  const folder = await mkdtemp(join(spoolParent, '.unpacked-'));
  try {
    const spool = await ContentSpool.create(join(folder, 'contents'));
    const files = await unpackInto(spool, location, compression);
    return new IndexedTree(files, folder);
  } catch (error) {
    await rm(folder, {recursive: true, force: true});
    throw error;
  }
}

async function unpackInto(spool: ContentSpool, location: string, compression: Compression) {
  try {
    const reader = new StreamByteReader(decompressFile(location, compression));
    const files = await indexMembers(reader, (member) => spool.add(member));
    await spool.finish();
    return files;
  } catch (error) {
    await spool.abandon();
    throw error;
  }
}

class FolderTree implements FileTree {
  readonly #root: string;
  /** Real paths of folders, so that a link on the way is seen. */
  readonly #folders = new Map<string, string>();

  constructor(root: string) {
    this.#root = root;
  }

  async find(path: string): Promise<StoredFile | undefined> {
    checkMemberPath(path);
    const file = resolve(this.#root, path);
    const found = await lstat(file).catch(() => undefined);
    if (!found?.isFile()) return undefined;
    const parent = dirname(file);
    let real = this.#folders.get(parent);
    if (real === undefined) this.#folders.set(parent, (real = await realpath(parent)));
    if (real !== this.#root && !real.startsWith(this.#root + sep)) {
      throw new ArchiveError(`${JSON.stringify(path)} leads out of the folder over a link`);
    }
    return {path: file, offset: 0, sizeBytes: found.size};
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }
}

class IndexedTree implements FileTree {
  readonly #files: ReadonlyMap<string, StoredFile>;
  readonly #spoolFolder: string | undefined;

  constructor(files: ReadonlyMap<string, StoredFile>, spoolFolder: string | undefined) {
    this.#files = files;
    this.#spoolFolder = spoolFolder;
  }

  find(path: string): Promise<StoredFile | undefined> {
    return Promise.resolve(this.#files.get(path));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#spoolFolder !== undefined) await rm(this.#spoolFolder, {recursive: true, force: true});
  }
}

/** Devices, pipes and links of a root file system are no files, and are left out. */
async function indexMembers(
  reader: ByteReader,
  store: (member: TarMember) => Promise<StoredFile>,
): Promise<ReadonlyMap<string, StoredFile>> {
  const files = new Map<string, StoredFile>();
  const others = new Set<string>();
  for await (const member of readTarMembers(reader)) {
    if (member.path === '.') continue;
    checkMemberPath(member.path);
    if (member.type === 'sparse-file') {
      throw new ArchiveError(
        `${JSON.stringify(member.path)} is stored with holes; pack it without tar --sparse`,
      );
    }
    if (member.type === 'folder') continue;
    if (files.has(member.path) || others.has(member.path)) {
      throw new ArchiveError(`${JSON.stringify(member.path)} is there twice`);
    }
    if (member.type === 'file') {
      files.set(member.path, await store(member));
    } else if (member.type === 'hardlink') {
      checkMemberPath(member.linkTarget);
      const target = files.get(member.linkTarget);
      if (target !== undefined) files.set(member.path, target);
      else if (!others.has(member.linkTarget)) {
        throw new ArchiveError(
          `${JSON.stringify(member.path)} is a link to ${JSON.stringify(member.linkTarget)}, which is not there`,
        );
      }
    } else {
      others.add(member.path);
    }
  }
  return files;
}

/** Contents one after the other in one file, each once. */
class ContentSpool {
  readonly #path: string;
  readonly #output: OutputFile;
  readonly #known = new Map<string, StoredFile>();

  private constructor(path: string, output: OutputFile) {
    this.#path = path;
    this.#output = output;
  }

  static async create(path: string): Promise<ContentSpool> {
    return new ContentSpool(path, await OutputFile.create(path));
  }

  async add(member: TarMember): Promise<StoredFile> {
    const hash = createHash('sha256');
    const offset = this.#output.position;
    for await (const piece of member.content()) {
      hash.update(piece);
      await this.#output.write(piece);
    }
    const sha256 = hash.digest('hex');
    const known = this.#known.get(sha256);
    if (known !== undefined) {
      // What was written of it stays where it is when a buffer has been flushed meanwhile; nobody looks at it.
      this.#output.takeBack(offset);
      return known;
    }
    const file = {path: this.#path, offset, sizeBytes: member.sizeBytes, sha256};
    this.#known.set(sha256, file);
    return file;
  }

  finish(): Promise<void> {
    return this.#output.finish({sync: false});
  }

  abandon(): Promise<void> {
    return this.#output.abandon();
  }
}
