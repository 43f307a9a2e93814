import {joinExtents, type ByteSource, type Extent} from './byte-source.ts';
import {extentsFlag, readBlockMapping} from './ext4-extents.ts';
import {readFolderEntries} from './ext4-folder.ts';
import {describeExt4Offset, readExt4Layout, type Ext4Layout} from './ext4-layout.ts';
import {DamagedError, timeText, type FileSystem, type TreeEntry} from './file-system.ts';

const rootInode = 2;
const journalInode = 8;

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
    for (const {number, name} of readFolderEntries(bytes)) {
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
    const {blockBytes} = this.#layout;
    const mapping = await readBlockMapping(inode, this.#source, blockBytes);
    const extents: Extent[] = [];
    let next = 0;
    for (const {logical, block, count} of mapping.extents) {
      if (logical > next) extents.push({start: undefined, length: (logical - next) * blockBytes});
      extents.push({start: block === undefined ? undefined : block * blockBytes, length: count * blockBytes});
      next = logical + count;
    }
    return extents;
  }
}
