import {crc32c} from './crc.ts';
import {Ext4ContentWriter} from './ext4-content.ts';
import {readBlockMapping} from './ext4-extents.ts';
import {joinRuns, makeExtentTree, treeBlocks} from './ext4-extent-tree.ts';
import {fileTypes, mostNameBytes, packFolder, readFolderEntries, type FolderEntry} from './ext4-folder.ts';
import {Ext4Groups, type BlockRun} from './ext4-groups.ts';
import {inodeTypes, type Ext4Inode, type FileAttributes} from './ext4-inode.ts';
import {Ext4InodeTable} from './ext4-inode-table.ts';
import {Ext4Superblock} from './ext4-superblock.ts';
import {DamagedError} from './file-system.ts';
import type {RandomFile} from './random-file.ts';

const rootInode = 2;
/** More would not be counted: the kernel then writes 1 (dir_nlink). */
const mostLinks = 65_000;
/** Folders with more blocks are slow without a hash tree, which `e2fsck -D` makes. */
const mostPlainBlocks = 4;

/** A path that cannot be made because of what is there. */
export class InTheWayError extends Error {
  override readonly name = 'InTheWayError';
}

interface Folder {
  readonly inode: Ext4Inode;
  readonly entries: Map<string, FolderEntry>;
  readonly runs: BlockRun[];
  readonly nodes: readonly number[];
  isChanged: boolean;
}

/**
 * Writes files, folders and links into an ext4 that nobody has mounted, directly into their final blocks. The file system
 * has to be sound, and has to be checked with e2fsck in the end; until {@link finish} it does not hold together.
 *
 * @example
 * const writer = await Ext4Writer.open(file, {now: 1_700_000_000});
 * await writer.addFile('/conf/hello.txt', {mode: 0o644, uid: 0, gid: 0, mtime: 0}, content, 12);
 * await writer.finish();
 */
export class Ext4Writer {
  readonly #file: RandomFile;
  readonly #superblock: Ext4Superblock;
  readonly #groups: Ext4Groups;
  readonly #inodes: Ext4InodeTable;
  readonly #contents: Ext4ContentWriter;
  readonly #now: number;
  readonly #folders = new Map<string, Folder>();
  #needsIndex = false;

  private constructor(file: RandomFile, superblock: Ext4Superblock, groups: Ext4Groups, now: number) {
    this.#file = file;
    this.#superblock = superblock;
    this.#groups = groups;
    this.#inodes = new Ext4InodeTable(file, superblock, groups);
    this.#contents = new Ext4ContentWriter(file, groups, superblock.blockBytes);
    this.#now = now;
  }

  /**
   * @param options.now Seconds since 1970 that count as the time of writing.
   * @throws DamagedError, UnsupportedExt4Error
   */
  static async open(file: RandomFile, {now}: {readonly now: number}): Promise<Ext4Writer> {
    const superblock = await Ext4Superblock.read(file);
    return new Ext4Writer(file, superblock, await Ext4Groups.read(file, superblock), now);
  }

  /** Room for content. What is reserved for the system is not counted. */
  get freeBytes(): number {
    return this.#groups.availableBlocks * this.#superblock.blockBytes;
  }

  /** How many more files and folders there can be. */
  get freeFiles(): number {
    return this.#groups.freeInodes;
  }

  get blockBytes(): number {
    return this.#superblock.blockBytes;
  }

  /** Whether a folder has become so large that it should get a hash tree: `e2fsck -D`. */
  get needsIndex(): boolean {
    return this.#needsIndex;
  }

  /** What there is at a path; links are not followed. */
  async find(path: string): Promise<'file' | 'folder' | 'other' | undefined> {
    const {parent, name} = splitPath(path);
    if (name === '') return 'folder';
    const folder = await this.#openFolder(parent);
    const entry = folder?.entries.get(name);
    if (entry === undefined) return undefined;
    const {type} = await this.#inodes.get(entry.number);
    return type === inodeTypes.file ? 'file' : type === inodeTypes.folder ? 'folder' : 'other';
  }

  /** The content of a file of at most 1 MiB; undefined when there is none. */
  async readSmallFile(path: string): Promise<Buffer | undefined> {
    const {parent, name} = splitPath(path);
    const entry = (await this.#openFolder(parent))?.entries.get(name);
    if (entry === undefined) return undefined;
    const inode = await this.#inodes.get(entry.number);
    if (inode.type !== inodeTypes.file || inode.sizeBytes > 1024 * 1024) return undefined;
    const {blocks} = await this.#read(inode);
    return Buffer.concat(blocks).subarray(0, inode.sizeBytes);
  }

  /**
   * Makes a folder and those on the way to it; one that is there keeps what is in it, and its attributes.
   *
   * @throws InTheWayError, Ext4FullError
   */
  async addFolder(path: string, attributes?: FileAttributes): Promise<void> {
    await this.#makeFolder(path, attributes ?? this.#folderAttributes);
  }

  /**
   * Makes a file, or replaces one.
   *
   * @param expectedBytes Its size where it is known: it then lies in one piece.
   * @returns how many bytes it has.
   * @throws InTheWayError, Ext4FullError, and what reading the content throws
   */
  async addFile(
    path: string,
    attributes: FileAttributes,
    content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
    expectedBytes?: number,
  ): Promise<number> {
    const {folder, name} = await this.#prepare(path);
    const inode = await this.#newInode(inodeTypes.file, attributes);
    const {sizeBytes, runs} = await this.#contents.write(content, expectedBytes);
    await this.#setContent(inode, sizeBytes, runs, []);
    if (sizeBytes >= 2 ** 31) this.#superblock.markLargeFile();
    await this.#inodes.put(inode);
    enter(folder, {number: inode.number, name, type: fileTypes.file});
    return sizeBytes;
  }

  /** Makes a symbolic link, or replaces one. */
  async addSymlink(path: string, attributes: FileAttributes, target: string): Promise<void> {
    const {folder, name} = await this.#prepare(path);
    const inode = await this.#newInode(inodeTypes.link, {...attributes, mode: 0o777});
    const bytes = Buffer.from(target);
    if (bytes.length < 60) {
      inode.setShortLink(bytes);
    } else {
      const {sizeBytes, runs} = await this.#contents.write([bytes], bytes.length);
      await this.#setContent(inode, sizeBytes, runs, []);
    }
    await this.#inodes.put(inode);
    enter(folder, {number: inode.number, name, type: fileTypes.link});
  }

  /**
   * Gives a file a second name.
   *
   * @throws InTheWayError when there is no such file.
   */
  async addHardlink(path: string, target: string): Promise<void> {
    const from = splitPath(target);
    const entry = (await this.#openFolder(from.parent))?.entries.get(from.name);
    if (entry === undefined || entry.type === fileTypes.folder)
      throw new InTheWayError(`there is no file ${target} that ${path} could be another name of`);
    const {folder, name} = await this.#prepare(path);
    const inode = await this.#inodes.get(entry.number);
    if (inode.links >= mostLinks) throw new InTheWayError(`${target} has too many names`);
    inode.links++;
    await this.#inodes.put(inode);
    enter(folder, {...entry, name});
  }

  /** Writes folders and bookkeeping. Nothing may be added afterwards. */
  async finish(): Promise<void> {
    for (const folder of this.#folders.values()) if (folder.isChanged) await this.#writeFolder(folder);
    await this.#contents.settle();
    await this.#inodes.flush();
    await this.#groups.flush();
    const {freeBlocks, freeInodes} = this.#groups;
    await this.#superblock.write(this.#file, {freeBlocks, freeInodes, time: this.#now});
  }

  get #folderAttributes(): FileAttributes {
    return {mode: 0o755, uid: 0, gid: 0, mtime: this.#now};
  }

  /** The folder of a path, with room for its name: what has it now is removed. */
  async #prepare(path: string): Promise<{folder: Folder; name: string}> {
    const {parent, name} = splitPath(path);
    if (name === '') throw new InTheWayError('the root folder is no file');
    if (Buffer.byteLength(name) > mostNameBytes)
      throw new InTheWayError(`the name ${JSON.stringify(name)} is longer than 255 bytes`);
    const folder = await this.#makeFolder(parent, this.#folderAttributes);
    const old = folder.entries.get(name);
    if (old !== undefined) {
      await this.#unlink(old.number, path);
      folder.entries.delete(name);
    }
    return {folder, name};
  }

  async #openFolder(path: string): Promise<Folder | undefined> {
    const known = this.#folders.get(path);
    if (known !== undefined) return known;
    if (path === '/') return this.#readFolder(path, rootInode);
    const {parent, name} = splitPath(path);
    const entry = (await this.#openFolder(parent))?.entries.get(name);
    return entry === undefined ? undefined : this.#readFolder(path, entry.number);
  }

  async #readFolder(path: string, number: number): Promise<Folder> {
    const inode = await this.#inodes.get(number);
    if (inode.type !== inodeTypes.folder)
      throw new InTheWayError(`${path} is there already and is no folder`);
    const {blocks, runs, nodes} = await this.#read(inode);
    const entries = new Map<string, FolderEntry>();
    for (const block of blocks) for (const entry of readFolderEntries(block)) entries.set(entry.name, entry);
    const folder = {inode, entries, runs, nodes, isChanged: false};
    this.#folders.set(path, folder);
    return folder;
  }

  async #read(inode: Ext4Inode): Promise<{blocks: Buffer[]; runs: BlockRun[]; nodes: readonly number[]}> {
    const {blockBytes} = this.#superblock;
    const {extents, nodes} = await readBlockMapping(inode.bytes, this.#file, blockBytes);
    const runs = extents.map(({block, count}) => {
      if (block === undefined) throw new DamagedError('a folder with holes');
      return {start: block, count};
    });
    const blocks: Buffer[] = [];
    for (const {start, count} of runs)
      for (let index = 0; index < count; index++)
        blocks.push(await this.#file.read((start + index) * blockBytes, blockBytes));
    return {blocks, runs, nodes};
  }

  async #makeFolder(path: string, attributes: FileAttributes): Promise<Folder> {
    const found = await this.#openFolder(path);
    if (found !== undefined) return found;
    const {parent: parentPath, name} = splitPath(path);
    if (Buffer.byteLength(name) > mostNameBytes)
      throw new InTheWayError(`the name ${JSON.stringify(name)} is longer than 255 bytes`);
    const parent = await this.#makeFolder(parentPath, this.#folderAttributes);
    const inode = await this.#newInode(inodeTypes.folder, attributes);
    inode.links = 2;
    const entries = new Map<string, FolderEntry>([
      ['.', {number: inode.number, name: '.', type: fileTypes.folder}],
      ['..', {number: parent.inode.number, name: '..', type: fileTypes.folder}],
    ]);
    const folder = {inode, entries, runs: [], nodes: [], isChanged: true};
    await this.#inodes.put(inode);
    this.#folders.set(path, folder);
    enter(parent, {number: inode.number, name, type: fileTypes.folder});
    // 1 means that there are too many to count.
    if (parent.inode.links !== 1)
      parent.inode.links = parent.inode.links >= mostLinks ? 1 : parent.inode.links + 1;
    return folder;
  }

  async #newInode(type: number, attributes: FileAttributes): Promise<Ext4Inode> {
    const inode = await this.#inodes.get(await this.#groups.takeInode(type === inodeTypes.folder));
    inode.format(type, attributes, this.#now, this.#superblock);
    return inode;
  }

  async #unlink(number: number, path: string): Promise<void> {
    const inode = await this.#inodes.get(number);
    if (inode.type === inodeTypes.folder) throw new InTheWayError(`${path} is there already and is a folder`);
    if (inode.attributeBlock !== 0)
      throw new InTheWayError(`${path} is there already, with extended attributes that are not understood`);
    if (inode.links > 1) {
      inode.links--;
    } else {
      if (!inode.isShortLink && (inode.type === inodeTypes.file || inode.type === inodeTypes.link)) {
        const {extents, nodes} = await readBlockMapping(inode.bytes, this.#file, this.#superblock.blockBytes);
        for (const {block, count} of extents)
          if (block !== undefined) await this.#groups.giveBlocks({start: block, count});
        for (const block of nodes) await this.#groups.giveBlocks({start: block, count: 1});
      }
      inode.clear(this.#now);
      await this.#groups.giveInode(number);
    }
    await this.#inodes.put(inode);
  }

  /** @param oldNodes Blocks of the former mapping, given back. */
  async #setContent(
    inode: Ext4Inode,
    sizeBytes: number,
    runs: readonly BlockRun[],
    oldNodes: readonly number[],
  ): Promise<void> {
    const {blockBytes, hasMetadataChecksums} = this.#superblock;
    for (const block of oldNodes) await this.#groups.giveBlocks({start: block, count: 1});
    const joined = joinRuns(runs);
    const places: number[] = [];
    for (let left = treeBlocks(joined.length, blockBytes); left > 0; left--)
      places.push((await this.#groups.takeBlocks(1)).start);
    const seed = inode.checksumSeed(this.#superblock);
    const checksum = hasMetadataChecksums ? (node: Buffer) => crc32c(seed, node) : undefined;
    const {map, nodes} = makeExtentTree(joined, places, {blockBytes, checksum});
    for (const {block, bytes} of nodes) await this.#file.write(block * blockBytes, bytes);
    const blocks = joined.reduce((sum, {count}) => sum + count, nodes.length);
    inode.setContent({sizeBytes, blocks, map, blockBytes});
  }

  async #writeFolder(folder: Folder): Promise<void> {
    const {blockBytes, hasMetadataChecksums} = this.#superblock;
    const {inode, runs} = folder;
    const seed = inode.checksumSeed(this.#superblock);
    const had = runs.reduce((sum, {count}) => sum + count, 0);
    // "." and ".." come first, whatever a hash tree has made of their order.
    const rank = ({name}: FolderEntry) => (name === '.' ? 0 : name === '..' ? 1 : 2);
    const blocks = packFolder(
      [...folder.entries.values()].sort((a, b) => rank(a) - rank(b)),
      {
        blockBytes,
        leastBlocks: had,
        checksum: hasMetadataChecksums ? (block) => crc32c(seed, block) : undefined,
      },
    );
    for (let left = blocks.length - had; left > 0;) {
      const run = await this.#groups.takeBlocks(left);
      runs.push(run);
      left -= run.count;
    }
    const places = runs.flatMap(({start, count}) => Array.from({length: count}, (_, index) => start + index));
    for (const [index, block] of blocks.entries())
      await this.#file.write((places[index] ?? 0) * blockBytes, block);
    await this.#setContent(inode, blocks.length * blockBytes, runs, folder.nodes);
    if (folder.runs.length > 0 && had > 0) inode.touch(this.#now);
    if (blocks.length > mostPlainBlocks) this.#needsIndex = true;
    await this.#inodes.put(inode);
  }
}

function enter(folder: Folder, entry: FolderEntry): void {
  folder.entries.set(entry.name, entry);
  folder.isChanged = true;
}

function splitPath(path: string): {parent: string; name: string} {
  const slash = path.lastIndexOf('/');
  return {parent: slash <= 0 ? '/' : path.slice(0, slash), name: path.slice(slash + 1)};
}
