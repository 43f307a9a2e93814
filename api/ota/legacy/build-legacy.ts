import {createHash} from 'node:crypto';
import {readFile} from 'node:fs/promises';
import {withFile} from '../image/write/blob-tasks.ts';
import {compressLarge} from '../image/zstd/compress-large.ts';
import {compress, compressChunk} from '../image/zstd/compress.ts';
import {readContent, type FileContent} from '../rootfs/file-content.ts';
import {openRootfs} from '../rootfs/open-rootfs.ts';
import {fileTypes, type Rootfs, type RootfsEntry} from '../rootfs/rootfs.ts';
import {openFolderSink, openTarSink, piecesOf, type LegacySink} from './legacy-sink.ts';
import type {LegacyMetadata} from './metadata-jwt.ts';
import {loadLegacySigner, signMetadata, type LegacySigner} from './sign-legacy.ts';
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
  /** The root file system: a folder, a tar, the image of an ext4 partition or of a disk, or one that is open already. */
  readonly rootfs: string | Rootfs;
  /** The folder to make; it must not exist. With `tar`, a file. */
  readonly output: string;
  /** Makes a tar with this time everywhere, seconds since 1970. */
  readonly tar?: {readonly mtime: number} | undefined;
  /** The key, or a PEM file with an EC key on P-256. */
  readonly signKey: string | LegacySigner;
  /** PEM file with the certificate that belongs to the key, where that is a file. */
  readonly certificate?: string | undefined;
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
  const {rootfs: given, output, signKey, certificate = ''} = options;
  const signer = typeof signKey === 'string' ? await loadLegacySigner(signKey, certificate) : signKey;
  const persistents = options.persistents === undefined ? '' : await readFile(options.persistents, 'utf8');
  parseLines(persistents, parsePersistent);
  await using rootfs = typeof given === 'string' ? await openRootfs(given, options) : given;
  const sink =
    options.tar === undefined ? await openFolderSink(output) : await openTarSink(output, options.tar.mtime);
  try {
    await sink.folder(names.data);
    await sink.folder(names.compressed);
    const lists: Lists = {directories: [], symlinks: [], regulars: [], dropped: []};
    lists.dropped.push(...rootfs.dropped.map(({path}) => path));
    const writer = new TreeWriter(options, sink, lists);
    for (const entry of rootfs.entries) await writer.add(entry);
    const write = async (file: string, content: string | Buffer) => {
      await sink.file(file, [Buffer.from(content)]);
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
    await sink.file('metadata.jwt', [Buffer.from(signMetadata(signer, metadata))]);
    await sink.finish();
    return {
      directories: lists.directories.length,
      symlinks: lists.symlinks.length,
      regularFiles: lists.regulars.length,
      compressedFiles: lists.regulars.filter(({compression}) => compression !== undefined).length,
      dropped: lists.dropped.sort(),
    };
  } catch (error) {
    await sink.abandon();
    throw error;
  }
}

class TreeWriter {
  readonly #compressFromBytes: number;
  readonly #sink: LegacySink;
  readonly #lists: Lists;
  readonly #signal: AbortSignal | undefined;
  /** The first path of each file with several, and the number that they share. */
  readonly #links = new Map<string, RegularLine>();
  readonly #compressed = new Map<string, boolean>();

  constructor({signal, compressFromBytes}: BuildLegacyOptions, sink: LegacySink, lists: Lists) {
    this.#compressFromBytes = compressFromBytes ?? defaultCompressFromBytes;
    this.#sink = sink;
    this.#lists = lists;
    this.#signal = signal;
  }

  /** Takes an entry; folders come before what is in them. */
  async add(entry: RootfsEntry): Promise<void> {
    this.#signal?.throwIfAborted();
    const {path, uid, gid, target, content} = entry;
    const owner = {mode: entry.mode & 0o7777, uid, gid, path};
    const copy = `${names.data}${path}`;
    const type = entry.mode & fileTypes.mask;
    if (type === fileTypes.folder) {
      // The root is that of the data, and not listed.
      if (path === '/') return;
      this.#lists.directories.push(owner);
      await this.#sink.folder(copy, owner);
    } else if (type === fileTypes.link && target !== undefined) {
      this.#lists.symlinks.push({...owner, target});
      await this.#sink.symlink(copy, target, owner);
    } else if (type === fileTypes.file && content !== undefined) {
      await this.#addFile(owner, copy, content, entry.links);
    } else {
      this.#lists.dropped.push(path);
    }
  }

  async #addFile(
    owner: DirectoryLine,
    copy: string,
    content: FileContent,
    links: RootfsEntry['links'],
  ): Promise<void> {
    const first = links && this.#links.get(links.key);
    if (first !== undefined) {
      await this.#sink.hardlink(copy, `${names.data}${first.path}`);
      this.#lists.regulars.push({...first, path: owner.path});
      return;
    }
    const hash = createHash('sha256');
    for (const piece of piecesOf(content)) hash.update(piece);
    const sha256 = hash.digest('hex');
    await this.#sink.content(copy, content, owner);
    const isCompressed = await this.#compress(content, sha256);
    const line: RegularLine = {
      ...owner,
      linksCount: links?.count ?? 1,
      sha256,
      sizeBytes: content.sizeBytes,
      inode: links && String(this.#links.size + 1),
      ...(isCompressed && {compression: 'zst'}),
    };
    if (links) this.#links.set(links.key, line);
    this.#lists.regulars.push(line);
  }

  async #compress(content: FileContent, sha256: string): Promise<boolean> {
    const {sizeBytes} = content;
    if (sizeBytes < this.#compressFromBytes) return false;
    const known = this.#compressed.get(sha256);
    if (known !== undefined) return known;
    const read = (offset: number, length: number) =>
      withFile(content, (file) => readContent(content, file, offset, length));
    const pieces: Buffer[] = [];
    if (sizeBytes <= mostInMemory) {
      pieces.push(compress(read(0, sizeBytes)));
    } else {
      const chunk = (offset: number, length: number) => Promise.resolve(compressChunk(read(offset, length)));
      for await (const piece of compressLarge({sizeBytes, read, compressChunk: chunk}, 1)) pieces.push(piece);
    }
    const size = pieces.reduce((sum, {length}) => sum + length, 0);
    const isWorth = sizeBytes / size >= leastRatio;
    if (isWorth) await this.#sink.file(`${names.compressed}/${sha256}.zst`, pieces);
    this.#compressed.set(sha256, isWorth);
    return isWorth;
  }
}
