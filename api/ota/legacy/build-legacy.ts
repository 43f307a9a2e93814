import {createHash} from 'node:crypto';
import {createReadStream} from 'node:fs';
import {
  chmod,
  copyFile,
  link,
  lchown,
  lstat,
  mkdir,
  readdir,
  readFile,
  readlink,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import {join} from 'node:path';
import {FileAccess} from '../image/read/file-access.ts';
import {compressLarge} from '../image/zstd/compress-large.ts';
import {compress, compressChunk} from '../image/zstd/compress.ts';
import {OtaError} from '../ota-error.ts';
import type {LegacyMetadata} from './metadata-jwt.ts';
import {loadLegacySigner, signMetadata} from './sign-legacy.ts';
import {
  parseLines,
  parsePersistent,
  printDirectory,
  printLines,
  printRegular,
  printSymlink,
  type DirectoryLine,
  type RegularLine,
  type SymlinkLine,
} from './text-files.ts';

export interface BuildLegacyOptions {
  /** The root file system. */
  readonly rootfs: string;
  /** The folder to make; it must not exist. */
  readonly output: string;
  /** PEM with an EC key on P-256, and the certificate that belongs to it. */
  readonly signKey: string;
  readonly certificate: string;
  /** persistents.txt as it shall be; none when absent. */
  readonly persistents?: string | undefined;
  /** Files from this size on are compressed where that is worth it; 16 KiB when absent, as in the reference. */
  readonly compressFromBytes?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface BuiltLegacy {
  readonly directories: number;
  readonly symlinks: number;
  readonly regularFiles: number;
  readonly compressedFiles: number;
  /** Devices, pipes and sockets, which the format cannot hold. */
  readonly dropped: readonly string[];
}

const defaultCompressFromBytes = 16_384;
/** Files that do not get smaller by this factor stay as they are (the reference's default). */
const leastRatio = 1.25;
const mostInMemory = 64 * 1024 * 1024;
const names = {data: 'data', compressed: 'data.zst'};

interface Lists {
  readonly directories: DirectoryLine[];
  readonly symlinks: SymlinkLine[];
  readonly regulars: RegularLine[];
  readonly dropped: string[];
}

/**
 * Makes a legacy OTA image of a root file system. Kernels of any name are taken as they are. The lists are sorted by
 * path and the numbers of hard links count from 1, so that the same tree and key give the same image.
 *
 * @throws {OtaError} OUTPUT_EXISTS, ROOTFS_INVALID, KEY_INVALID, PATH_UNSAFE, INPUT_INVALID
 */
export async function buildLegacyImage(options: BuildLegacyOptions): Promise<BuiltLegacy> {
  const {rootfs, output} = options;
  const signer = await loadLegacySigner(options.signKey, options.certificate);
  const persistents = options.persistents === undefined ? '' : await readFile(options.persistents, 'utf8');
  parseLines(persistents, parsePersistent);
  if (!(await lstat(rootfs).catch(() => undefined))?.isDirectory()) {
    throw new OtaError('ROOTFS_INVALID', `${rootfs} is not a folder`);
  }
  await mkdir(output).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    throw new OtaError('OUTPUT_EXISTS', `${output} exists already`, {cause: error});
  });
  try {
    await mkdir(join(output, names.data));
    await mkdir(join(output, names.compressed));
    const lists: Lists = {directories: [], symlinks: [], regulars: [], dropped: []};
    await new TreeWriter(options, lists).walk('');
    const write = async (file: string, content: string | Buffer) => {
      await writeFile(join(output, file), content);
      return {file, hash: createHash('sha256').update(content).digest('hex')};
    };
    const metadata: LegacyMetadata = {
      version: 1,
      directory: await write('dirs.txt', printLines(lists.directories, printDirectory)),
      symboliclink: await write('symlinks.txt', printLines(lists.symlinks, printSymlink)),
      regular: await write('regulars.txt', printLines(lists.regulars, printRegular)),
      persistent: await write('persistents.txt', persistents),
      certificate: await write('certificate.pem', signer.certificatePem),
      rootfsDirectory: names.data,
      compressedRootfsDirectory: names.compressed,
      totalRegularSize: lists.regulars.reduce((sum, {sizeBytes = 0}) => sum + sizeBytes, 0),
    };
    await writeFile(join(output, 'metadata.jwt'), signMetadata(signer, metadata));
    return {
      directories: lists.directories.length,
      symlinks: lists.symlinks.length,
      regularFiles: lists.regulars.length,
      compressedFiles: lists.regulars.filter(({compression}) => compression !== undefined).length,
      dropped: lists.dropped,
    };
  } catch (error) {
    await rm(output, {recursive: true, force: true});
    throw error;
  }
}

class TreeWriter {
  readonly #rootfs: string;
  readonly #compressFromBytes: number;
  readonly #output: string;
  readonly #lists: Lists;
  readonly #signal: AbortSignal | undefined;
  /** The first path of each file with several, and the number that they share. */
  readonly #links = new Map<string, {readonly number: string; readonly first: RegularLine}>();
  readonly #compressed = new Map<string, boolean>();

  constructor({rootfs, output, signal, compressFromBytes}: BuildLegacyOptions, lists: Lists) {
    this.#compressFromBytes = compressFromBytes ?? defaultCompressFromBytes;
    this.#rootfs = rootfs;
    this.#output = output;
    this.#lists = lists;
    this.#signal = signal;
  }

  async walk(folder: string): Promise<void> {
    for (const name of (await readdir(join(this.#rootfs, folder))).sort()) {
      this.#signal?.throwIfAborted();
      const path = `${folder}/${name}`;
      if (name.includes('\ufffd'))
        throw new OtaError('NAME_NOT_UTF8', `${JSON.stringify(path)} is not UTF-8`);
      const found = await lstat(join(this.#rootfs, path));
      const owner = {mode: found.mode & 0o7777, uid: found.uid, gid: found.gid, path};
      const copy = join(this.#output, names.data, path);
      if (found.isDirectory()) {
        this.#lists.directories.push(owner);
        await mkdir(copy);
        await this.walk(path);
        await lchown(copy, found.uid, found.gid);
        await chmod(copy, owner.mode);
      } else if (found.isSymbolicLink()) {
        const target = await readlink(join(this.#rootfs, path));
        this.#lists.symlinks.push({...owner, target});
        await symlink(target, copy);
        await lchown(copy, found.uid, found.gid);
      } else if (found.isFile()) {
        await this.#addFile(owner, copy, `${found.dev}:${found.ino}`, found.nlink);
      } else {
        this.#lists.dropped.push(path);
      }
    }
  }

  async #addFile(owner: DirectoryLine, copy: string, identity: string, linksCount: number): Promise<void> {
    const source = join(this.#rootfs, owner.path);
    const known = this.#links.get(identity);
    if (known !== undefined) {
      await link(join(this.#output, names.data, known.first.path), copy);
      this.#lists.regulars.push({...known.first, path: owner.path});
      return;
    }
    const hash = createHash('sha256');
    let sizeBytes = 0;
    for await (const piece of createReadStream(source, {
      highWaterMark: 1024 * 1024,
    }) as AsyncIterable<Buffer>) {
      hash.update(piece);
      sizeBytes += piece.length;
    }
    const sha256 = hash.digest('hex');
    await copyFile(source, copy);
    await lchown(copy, owner.uid, owner.gid);
    await chmod(copy, owner.mode);
    const inode = linksCount > 1 ? String(this.#links.size + 1) : undefined;
    const isCompressed = await this.#compress(source, sha256, sizeBytes);
    const line: RegularLine = {
      ...owner,
      linksCount,
      sha256,
      sizeBytes,
      inode,
      ...(isCompressed && {compression: 'zst'}),
    };
    if (inode !== undefined) this.#links.set(identity, {number: inode, first: line});
    this.#lists.regulars.push(line);
  }

  async #compress(source: string, sha256: string, sizeBytes: number): Promise<boolean> {
    if (sizeBytes < this.#compressFromBytes) return false;
    const known = this.#compressed.get(sha256);
    if (known !== undefined) return known;
    const pieces: Buffer[] = [];
    if (sizeBytes <= mostInMemory) {
      pieces.push(compress(await readFile(source)));
    } else {
      using file = new FileAccess(source);
      const read = (offset: number, length: number) => file.readNow(offset, length);
      const chunk = (offset: number, length: number) => Promise.resolve(compressChunk(read(offset, length)));
      for await (const piece of compressLarge({sizeBytes, read, compressChunk: chunk}, 1)) pieces.push(piece);
    }
    const size = pieces.reduce((sum, {length}) => sum + length, 0);
    const isWorth = sizeBytes / size >= leastRatio;
    if (isWorth)
      await writeFile(join(this.#output, names.compressed, `${sha256}.zst`), Buffer.concat(pieces));
    this.#compressed.set(sha256, isWorth);
    return isWorth;
  }
}
