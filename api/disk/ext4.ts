import {joinExtents, type ByteSource, type Extent} from './byte-source.ts';
import {describeExt4Offset, readExt4Layout, type Ext4Layout} from './ext4-layout.ts';
import {DamagedError, timeText, type FileSystem, type TreeEntry} from './file-system.ts';

const rootInode = 2;
const journalInode = 8;

/** Flags of an inode. */
const extentsFlag = 0x80000;
const inlineDataFlag = 0x10000000;

const types: Readonly<Record<number, string>> = {
  0x1: 'pipe',
  0x2: 'character device',
  0x4: 'folder',
  0x6: 'block device',
  0x8: 'file',
  0xa: 'link',
  0xc: 'socket',
};

/** Reads an ext4 file system, also an ext2 or ext3 one; undefined where there is none. */
export async function openExt4(source: ByteSource): Promise<FileSystem | undefined> {
  const layout = await readExt4Layout(source);
  if (layout === undefined) return undefined;
  const reader = new Ext4Reader(source, layout);
  const tree = reader.readTree.bind(reader);
  return {
    kind: 'ext4',
    identity: layout.identity,
    readTree: tree,
    describe: (offset) => reader.describe(offset),
  };
}

class Ext4Reader {
  readonly #source: ByteSource;
  readonly #layout: Ext4Layout;
  readonly #owners: {start: number; end: number; path: string}[] = [];

  constructor(source: ByteSource, layout: Ext4Layout) {
    this.#source = source;
    this.#layout = layout;
  }

  async readTree(): Promise<ReadonlyMap<string, TreeEntry>> {
    const tree = new Map<string, TreeEntry>();
    const root = await this.#readInode(rootInode);
    tree.set('/', {fields: await this.#fields(root), attributeAreas: await this.#attributeAreas(root)});
    await this.#readFolder(root, '', tree, new Set([rootInode]));
    // The journal has no name; its blocks are many, so that a difference is often there.
    const journal = await this.#extents(await this.#readInode(journalInode)).catch(() => []);
    this.#remember(journal, 'the journal');
    return tree;
  }

  /** Knows the owners of blocks once the tree has been read. */
  describe(offset: number): string {
    const owner = this.#owners.find(({start, end}) => start <= offset && offset < end);
    if (owner === undefined) return describeExt4Offset(this.#layout, offset);
    return `${owner.path}, byte ${offset - owner.start} of an extent of it`;
  }

  async #readFolder(
    inode: Buffer,
    path: string,
    tree: Map<string, TreeEntry>,
    above: ReadonlySet<number>,
  ): Promise<void> {
    const content = await this.#content(inode);
    this.#remember(content.extents, `${path}/`);
    const bytes = await content.read(0, content.sizeBytes);
    for (const {number, name} of readEntries(bytes)) {
      if (name === '.' || name === '..') continue;
      if (above.has(number)) throw new DamagedError(`${path}/${name}: folders without end`);
      const child = await this.#readInode(number);
      const fields = await this.#fields(child);
      const childPath = `${path}/${name}`;
      const attributeAreas = await this.#attributeAreas(child);
      // Hard links are few; a damaged folder can show the same files over and over.
      if (tree.size > 4 * this.#layout.inodeCount)
        throw new DamagedError('more names than there can be files');
      const type = fields.get('type');
      if (type === 'folder') {
        tree.set(childPath, {fields, attributeAreas});
        await this.#readFolder(child, childPath, tree, new Set([...above, number]));
      } else if (type === 'file') {
        const data = await this.#content(child);
        this.#remember(data.extents, childPath);
        tree.set(childPath, {fields, content: data, inode: number, attributeAreas});
      } else {
        tree.set(childPath, {fields, inode: number, attributeAreas});
      }
    }
  }

  #remember(extents: readonly Extent[], path: string): void {
    for (const {start, length} of extents) {
      if (start !== undefined) this.#owners.push({start, end: start + length, path});
    }
  }

  async #readInode(number: number): Promise<Buffer> {
    const {inodesPerGroup, inodeBytes, blockBytes, groups, inodeCount} = this.#layout;
    const group = groups[Math.floor((number - 1) / inodesPerGroup)];
    if (number < 1 || number > inodeCount || group === undefined)
      throw new DamagedError(`there is no inode ${number}`);
    const start = group.inodeTable * blockBytes + ((number - 1) % inodesPerGroup) * inodeBytes;
    const inode = await this.#source.read(start, inodeBytes);
    if (inode.length < inodeBytes) throw new DamagedError(`the inode ${number} is cut off`);
    return inode;
  }

  async #fields(inode: Buffer): Promise<Map<string, string>> {
    const mode = inode.readUInt16LE(0);
    const type = types[mode >> 12] ?? 'unknown';
    const hasExtra = inode.length > 128 && inode.readUInt16LE(128) >= 28;
    const time = (at: number, extraAt: number) =>
      timeText(inode.readInt32LE(at) + (hasExtra ? (inode.readUInt32LE(extraAt) & 3) * 2 ** 32 : 0));
    const fields = new Map([
      ['type', type],
      ['mode', (mode & 0o7777).toString(8).padStart(4, '0')],
      ['uid', String(inode.readUInt16LE(2) + inode.readUInt16LE(120) * 65_536)],
      ['gid', String(inode.readUInt16LE(24) + inode.readUInt16LE(122) * 65_536)],
      ['links', String(inode.readUInt16LE(26))],
      ['mtime', time(16, 136)],
      ['change time', time(12, 132)],
      ['access time', time(8, 140)],
    ]);
    if (hasExtra) fields.set('creation time', time(144, 148));
    if (type === 'link') fields.set('target', (await this.#linkTarget(inode)).toString('utf8'));
    if (type.endsWith('device')) fields.set('device', inode.toString('hex', 40, 48));
    const attributes = await this.#attributes(inode);
    if (attributes !== '') fields.set('extended attributes', attributes);
    return fields;
  }

  /** A short target lies where the block map would be. */
  async #linkTarget(inode: Buffer): Promise<Buffer> {
    const size = inode.readUInt32LE(4);
    const isShort = size < 60 && (inode.readUInt32LE(32) & extentsFlag) === 0;
    if (isShort) return inode.subarray(40, 40 + size);
    const content = await this.#content(inode);
    return content.read(0, Math.min(content.sizeBytes, 4096));
  }

  /** The raw attribute areas in hex: enough to see that they differ. */
  async #attributes(inode: Buffer): Promise<string> {
    const {inInode = Buffer.alloc(0), inBlock = Buffer.alloc(0)} = await this.#attributeAreas(inode);
    // Behind the header with its checksum, which depends on the place of the block.
    return Buffer.concat([inInode, inBlock.subarray(32)])
      .toString('hex')
      .replace(/(00)+$/, '');
  }

  async #attributeAreas(inode: Buffer): Promise<{inInode?: Buffer; inBlock?: Buffer}> {
    const start = inode.length > 128 ? 128 + inode.readUInt16LE(128) : inode.length;
    const isInside = start + 4 <= inode.length && inode.readUInt32LE(start) === 0xea020000;
    const block = inode.readUInt32LE(104) + inode.readUInt16LE(118) * 2 ** 32;
    const {blockBytes} = this.#layout;
    return {
      ...(isInside && {inInode: inode.subarray(start)}),
      ...(block !== 0 && {inBlock: await this.#source.read(block * blockBytes, blockBytes)}),
    };
  }

  async #content(inode: Buffer) {
    const size = inode.readUInt32LE(4) + inode.readUInt32LE(108) * 2 ** 32;
    // Nothing in an image is larger than it; a damaged size could be anything.
    if (size > this.#source.sizeBytes) throw new DamagedError('a file larger than its file system');
    return joinExtents(this.#source, await this.#extents(inode), size);
  }

  async #extents(inode: Buffer): Promise<Extent[]> {
    const flags = inode.readUInt32LE(32);
    const map = inode.subarray(40, 100);
    if ((flags & inlineDataFlag) !== 0) throw new DamagedError('files inside inodes are not understood');
    const found = new FoundExtents(this.#source.sizeBytes / this.#layout.blockBytes);
    if ((flags & extentsFlag) !== 0) await this.#walkExtents(map, found, 5);
    else await this.#walkBlockMap(map, found);
    return this.#inOrder(found.extents);
  }

  async #walkExtents(node: Buffer, found: FoundExtents, depthLeft: number): Promise<void> {
    if (node.length < 12 || node.readUInt16LE(0) !== 0xf30a || depthLeft < 0)
      throw new DamagedError('a damaged extent tree');
    const count = node.readUInt16LE(2);
    const isLeaf = node.readUInt16LE(6) === 0;
    if (12 + count * 12 > node.length) throw new DamagedError('a damaged extent tree');
    for (let index = 0; index < count; index++) {
      const entry = node.subarray(12 + index * 12, 24 + index * 12);
      if (isLeaf) {
        const length = entry.readUInt16LE(4);
        const block = entry.readUInt32LE(8) + entry.readUInt16LE(6) * 2 ** 32;
        // Longer than 32768: allocated but never written, which reads as zeros.
        found.add(
          length > 32_768
            ? {logical: entry.readUInt32LE(0), block: undefined, count: length - 32_768}
            : {logical: entry.readUInt32LE(0), block, count: length},
        );
      } else {
        const block = entry.readUInt32LE(4) + entry.readUInt16LE(8) * 2 ** 32;
        const {blockBytes} = this.#layout;
        found.countNode();
        await this.#walkExtents(
          await this.#source.read(block * blockBytes, blockBytes),
          found,
          depthLeft - 1,
        );
      }
    }
  }

  /** The twelve direct blocks and the three trees of ext2. */
  async #walkBlockMap(map: Buffer, found: FoundExtents): Promise<void> {
    const perBlock = this.#layout.blockBytes / 4;
    let logical = 0;
    const walk = async (block: number, level: number): Promise<void> => {
      if (block === 0) {
        logical += perBlock ** level;
      } else if (level === 0) {
        found.add({logical: logical++, block, count: 1});
      } else {
        found.countNode();
        const node = await this.#source.read(block * this.#layout.blockBytes, this.#layout.blockBytes);
        for (let at = 0; at + 4 <= node.length; at += 4) await walk(node.readUInt32LE(at), level - 1);
      }
    };
    for (let index = 0; index < 15; index++) await walk(map.readUInt32LE(index * 4), Math.max(0, index - 11));
  }

  #inOrder(found: LogicalExtent[]): Extent[] {
    const {blockBytes} = this.#layout;
    const extents: Extent[] = [];
    let next = 0;
    for (const {logical, block, count} of found.sort((a, b) => a.logical - b.logical)) {
      if (logical > next) extents.push({start: undefined, length: (logical - next) * blockBytes});
      extents.push({start: block === undefined ? undefined : block * blockBytes, length: count * blockBytes});
      next = logical + count;
    }
    return extents;
  }
}

interface LogicalExtent {
  readonly logical: number;
  readonly block: number | undefined;
  readonly count: number;
}

/** Collects the extents of a file, no more than there can be: damaged trees can lead into each other. */
class FoundExtents {
  readonly extents: LogicalExtent[] = [];
  #left: number;

  constructor(most: number) {
    this.#left = most;
  }

  add(extent: LogicalExtent): void {
    this.extents.push(extent);
    this.countNode();
  }

  countNode(): void {
    if (this.#left-- <= 0) throw new DamagedError('more extents than there are blocks');
  }
}

/** The entries of a folder. Blocks of a hash tree look like unused entries, so that they are passed over. */
function* readEntries(content: Buffer): Generator<{number: number; name: string}> {
  for (let at = 0; at + 8 <= content.length;) {
    const length = content.readUInt16LE(at + 4);
    if (length < 8 || at + length > content.length) throw new DamagedError('a damaged folder');
    const number = content.readUInt32LE(at);
    const nameBytes = content.readUInt8(at + 6);
    if (number !== 0 && nameBytes > 0) {
      yield {number, name: content.toString('utf8', at + 8, at + 8 + nameBytes)};
    }
    at += length;
  }
}
