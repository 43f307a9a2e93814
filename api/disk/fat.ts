import {joinExtents, type ByteSource, type Extent} from './byte-source.ts';
import {readFatGeometry, type FatGeometry} from './fat-geometry.ts';
import {readLongNameRecord} from './fat-name.ts';
import {DamagedError, type FileSystem, type IdentityField, type TreeEntry} from './file-system.ts';

/** Folders deeper than this are a loop. */
const deepest = 64;

/** Reads a FAT16 or FAT32 file system (Microsoft, "FAT32 File System Specification"); undefined where there is none. */
export async function openFat(source: ByteSource): Promise<FileSystem | undefined> {
  const boot = await source.read(0, 512);
  const geometry = readFatGeometry(boot);
  if (geometry === undefined) return undefined;
  const fat = await source.read(geometry.fatStart, geometry.fatBytes);
  const reader = new FatReader(source, geometry, fat);
  return {
    kind: geometry.kind,
    identity: readIdentity(boot, geometry.kind),
    readTree: () => reader.readTree(),
    describe: (offset) => reader.describe(offset),
  };
}

function readIdentity(boot: Buffer, kind: FatGeometry['kind']): IdentityField[] {
  const at = kind === 'FAT32' ? 67 : 39;
  return [
    {name: 'volume id', value: boot.readUInt32LE(at).toString(16).padStart(8, '0')},
    {name: 'label', value: boot.toString('latin1', at + 4, at + 15).trimEnd()},
    {name: 'made by', value: boot.toString('latin1', 3, 11).trimEnd()},
  ];
}

class FatReader {
  readonly #source: ByteSource;
  readonly #geometry: FatGeometry;
  readonly #fat: Buffer;

  constructor(source: ByteSource, geometry: FatGeometry, fat: Buffer) {
    this.#source = source;
    this.#geometry = geometry;
    this.#fat = fat;
  }

  async readTree(): Promise<ReadonlyMap<string, TreeEntry>> {
    const tree = new Map<string, TreeEntry>();
    const {kind, rootStart, rootBytes, rootCluster} = this.#geometry;
    const root = kind === 'FAT16' ? [{start: rootStart, length: rootBytes}] : this.#chain(rootCluster);
    await this.#readFolder(root, '', tree, 0);
    return tree;
  }

  describe(offset: number): string {
    const {fatStart, fatBytes, fatCount, dataStart, clusterBytes, rootStart} = this.#geometry;
    if (offset < 512) return 'boot sector';
    if (offset < fatStart) return 'reserved sectors (copy of the boot sector, count of free clusters)';
    if (offset < fatStart + fatCount * fatBytes) return 'allocation table';
    if (offset < dataStart) return `root folder, offset ${offset - rootStart}`;
    return `cluster ${Math.floor((offset - dataStart) / clusterBytes) + 2}, which belongs to no file`;
  }

  async #readFolder(
    extents: readonly Extent[],
    path: string,
    tree: Map<string, TreeEntry>,
    depth: number,
  ): Promise<void> {
    if (depth > deepest) throw new DamagedError(`${path}: folders without end`);
    const size = extents.reduce((sum, {length}) => sum + length, 0);
    const content = await joinExtents(this.#source, extents, size).read(0, size);
    let longName = '';
    for (let at = 0; at + 32 <= content.length; at += 32) {
      const entry = content.subarray(at, at + 32);
      const first = entry.readUInt8(0);
      if (first === 0) break;
      const attributes = entry.readUInt8(11);
      if (first === 0xe5) {
        longName = '';
        continue;
      }
      if (attributes === 0x0f) {
        longName = readLongNameRecord(entry) + longName;
        continue;
      }
      const name = longName || shortName(entry);
      longName = '';
      if ((attributes & 0x08) !== 0) {
        tree.set('/ (label)', {fields: new Map([['label', name], ...timesOf(entry)])});
      } else if (name !== '.' && name !== '..') {
        await this.#addEntry(entry, `${path}/${name}`, tree, depth);
      }
    }
  }

  async #addEntry(entry: Buffer, path: string, tree: Map<string, TreeEntry>, depth: number): Promise<void> {
    const isFolder = (entry.readUInt8(11) & 0x10) !== 0;
    // Thirty-two bytes each: a damaged folder can show the same clusters over and over.
    const {clusterCount, clusterBytes} = this.#geometry;
    if (tree.size > (clusterCount * clusterBytes) / 32)
      throw new DamagedError('more names than there is room for');
    const high = this.#geometry.kind === 'FAT32' ? entry.readUInt16LE(20) : 0;
    const cluster = (high << 16) | entry.readUInt16LE(26);
    const extents = cluster === 0 ? [] : this.#chain(cluster);
    const fields = new Map([
      ['type', isFolder ? 'folder' : 'file'],
      ['attributes', (entry.readUInt8(11) & 0x27).toString(16)],
      ...timesOf(entry),
    ]);
    if (isFolder) {
      tree.set(path, {fields});
      await this.#readFolder(extents, path, tree, depth + 1);
    } else {
      tree.set(path, {fields, content: joinExtents(this.#source, extents, entry.readUInt32LE(28))});
    }
  }

  /** Where the clusters of a file lie, neighbours joined. */
  #chain(first: number): Extent[] {
    const {clusterBytes, dataStart, clusterCount, kind} = this.#geometry;
    const extents: {start: number; length: number}[] = [];
    const end = kind === 'FAT32' ? 0x0ffffff8 : 0xfff8;
    let cluster = first;
    for (let steps = 0; cluster >= 2 && cluster < end; steps++) {
      if (steps > clusterCount || cluster >= clusterCount + 2)
        throw new DamagedError('a chain of clusters without end');
      const start = dataStart + (cluster - 2) * clusterBytes;
      const last = extents.at(-1);
      if (last !== undefined && last.start + last.length === start) last.length += clusterBytes;
      else extents.push({start, length: clusterBytes});
      cluster = this.#next(cluster);
    }
    return extents;
  }

  #next(cluster: number): number {
    const bytes = this.#geometry.kind === 'FAT32' ? 4 : 2;
    if ((cluster + 1) * bytes > this.#fat.length) throw new DamagedError('the allocation table is cut off');
    return bytes === 4
      ? this.#fat.readUInt32LE(cluster * 4) & 0x0fffffff
      : this.#fat.readUInt16LE(cluster * 2);
  }
}

function shortName(entry: Buffer): string {
  const part = (from: number, to: number, lower: boolean) => {
    const text = entry.toString('latin1', from, to).trimEnd();
    return lower ? text.toLowerCase() : text;
  };
  // Windows NT keeps names without a long one in small letters by two bits.
  const flags = entry.readUInt8(12);
  const name = part(0, 8, (flags & 0x08) !== 0);
  const extension = part(8, 11, (flags & 0x10) !== 0);
  return extension === '' ? name : `${name}.${extension}`;
}

function timesOf(entry: Buffer): [string, string][] {
  return [
    ['mtime', dosTime(entry.readUInt16LE(24), entry.readUInt16LE(22))],
    ['creation time', dosTime(entry.readUInt16LE(16), entry.readUInt16LE(14), entry.readUInt8(13))],
    ['access time', dosTime(entry.readUInt16LE(18), 0)],
  ];
}

function dosTime(date: number, time: number, hundredths = 0): string {
  if (date === 0) return 'none';
  const [year, month, day] = [1980 + (date >> 9), (date >> 5) & 15, date & 31];
  const seconds = (time & 31) * 2 + Math.floor(hundredths / 100);
  const ms = Date.UTC(year, month - 1, day, time >> 11, (time >> 5) & 63, seconds);
  return `${new Date(ms).toISOString().replace('.000Z', '')} (${ms / 1000}${hundredths % 100 === 0 ? '' : `.${hundredths % 100}`})`;
}
