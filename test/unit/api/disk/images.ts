/** Makes small disk images and archives in memory, byte by byte, so that a test can say where they differ. */

/** A file for {@link makeTar}. */
export interface TarSpec {
  readonly name: string;
  readonly content?: string;
  readonly type?: string;
  readonly mode?: number;
  readonly uid?: number;
  readonly mtime?: number;
  readonly target?: string;
  /** Records of a pax header before it. */
  readonly pax?: Readonly<Record<string, string>>;
}

export function makeTar(files: readonly TarSpec[]): Buffer {
  const blocks = files.flatMap((file) => [
    ...(file.pax === undefined ? [] : [tarEntry({name: 'pax', type: 'x', content: paxText(file.pax)})]),
    tarEntry(file),
  ]);
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}

function tarEntry(file: TarSpec): Buffer {
  const {name, content = '', type = '0', mode = 0o644, uid = 0, mtime = 1_700_000_000, target = ''} = file;
  const header = Buffer.alloc(512);
  const octal = (value: number, length: number) => `${value.toString(8).padStart(length - 1, '0')}\0`;
  header.write(name, 0);
  header.write(octal(mode, 8), 100);
  header.write(octal(uid, 8), 108);
  header.write(octal(0, 8), 116);
  header.write(octal(Buffer.byteLength(content), 12), 124);
  header.write(octal(mtime, 12), 136);
  header.write('        ', 148);
  header.write(type, 156);
  header.write(target, 157);
  header.write('ustar\0' + '00', 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(octal(sum, 7), 148);
  const padding = (512 - (Buffer.byteLength(content) % 512)) % 512;
  return Buffer.concat([header, Buffer.from(content), Buffer.alloc(padding)]);
}

function paxText(records: Readonly<Record<string, string>>): string {
  return Object.entries(records)
    .map(([name, value]) => {
      const rest = ` ${name}=${value}\n`;
      let length = rest.length + 1;
      while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
      return `${length}${rest}`;
    })
    .join('');
}

/** A partition for {@link makeDisk}; sizes and places in sectors of 512 bytes. */
export interface PartitionSpec {
  readonly start: number;
  readonly type: number;
  readonly content: Buffer;
}

export function makeDisk(sectors: number, partitions: readonly PartitionSpec[], diskId = 0x12345678): Buffer {
  const disk = Buffer.alloc(sectors * 512);
  disk.writeUInt32LE(diskId, 440);
  for (const [index, {start, type, content}] of partitions.entries()) {
    const at = 446 + index * 16;
    disk.writeUInt8(type, at + 4);
    disk.writeUInt32LE(start, at + 8);
    disk.writeUInt32LE(content.length / 512, at + 12);
    content.copy(disk, start * 512);
  }
  disk.writeUInt16BE(0x55aa, 510);
  return disk;
}

/** A file for {@link makeFat}: name in the form 8.3. */
export interface FatFile {
  readonly name: string;
  readonly content: string;
  readonly longName?: string;
  /** Seconds since 1970; even. */
  readonly mtime?: number;
  readonly folder?: string;
}

const fatClusterBytes = 512;
const fatReserved = 32;
const fatSectors = 8;
const fatClusters = 1000;

/** A FAT32 file system with one sector for each cluster; smaller than a real one may be. */
export function makeFat(files: readonly FatFile[], volumeId = 0xabcd1234): Buffer {
  const image = Buffer.alloc((fatReserved + 2 * fatSectors + fatClusters) * 512);
  image.write('mkfs.fat', 3);
  image.writeUInt16LE(512, 11);
  image.writeUInt8(1, 13);
  image.writeUInt16LE(fatReserved, 14);
  image.writeUInt8(2, 16);
  image.writeUInt32LE(image.length / 512, 32);
  image.writeUInt32LE(fatSectors, 36);
  image.writeUInt32LE(2, 44);
  image.writeUInt32LE(volumeId, 67);
  image.write('HypriotOS  ', 71);
  image.writeUInt16BE(0x55aa, 510);
  const table = new Map<number, number>();
  let next = 2;
  const write = (content: Buffer): number => {
    const first = next;
    const count = Math.max(1, Math.ceil(content.length / fatClusterBytes));
    for (let index = 0; index < count; index++)
      table.set(next + index, index === count - 1 ? 0x0fffffff : next + index + 1);
    content.copy(image, (fatReserved + 2 * fatSectors) * 512 + (first - 2) * fatClusterBytes);
    next += count;
    return first;
  };
  next = 3;
  const folders = new Map<string, Buffer[]>([['', []]]);
  for (const file of files) {
    const cluster = file.content === '' ? 0 : write(Buffer.from(file.content));
    const entries = folders.get(file.folder ?? '') ?? [];
    entries.push(
      ...longNameEntries(file),
      fatEntry(file.name, 0x20, cluster, Buffer.byteLength(file.content), file.mtime),
    );
    folders.set(file.folder ?? '', entries);
  }
  const root = folders.get('') ?? [];
  for (const [name, entries] of folders) {
    if (name !== '') root.push(fatEntry(name, 0x10, write(Buffer.concat(entries)), 0));
  }
  const rootBytes = Buffer.concat(root);
  if (rootBytes.length > fatClusterBytes) throw new Error('too many files for this FAT');
  table.set(2, 0x0fffffff);
  rootBytes.copy(image, (fatReserved + 2 * fatSectors) * 512);
  for (const [cluster, value] of table) {
    for (let copy = 0; copy < 2; copy++)
      image.writeUInt32LE(value, (fatReserved + copy * fatSectors) * 512 + cluster * 4);
  }
  return image;
}

function fatEntry(
  name: string,
  attributes: number,
  cluster: number,
  size: number,
  mtime = 1_700_000_000,
): Buffer {
  const entry = Buffer.alloc(32);
  const [stem = '', extension = ''] = name.toUpperCase().split('.');
  entry.write(stem.padEnd(8) + extension.padEnd(3), 0, 'latin1');
  entry.writeUInt8(attributes, 11);
  const date = new Date(mtime * 1000);
  entry.writeUInt16LE(
    (date.getUTCHours() << 11) | (date.getUTCMinutes() << 5) | (date.getUTCSeconds() >> 1),
    22,
  );
  entry.writeUInt16LE(
    ((date.getUTCFullYear() - 1980) << 9) | ((date.getUTCMonth() + 1) << 5) | date.getUTCDate(),
    24,
  );
  entry.writeUInt16LE(cluster >> 16, 20);
  entry.writeUInt16LE(cluster & 0xffff, 26);
  entry.writeUInt32LE(size, 28);
  return entry;
}

function longNameEntries({longName}: FatFile): Buffer[] {
  if (longName === undefined) return [];
  const parts = longName.match(/.{1,13}/gs) ?? [];
  return parts
    .map((part, index) => {
      const units = Buffer.alloc(26, 0xff);
      const text = Buffer.from(part.length < 13 ? `${part}\0` : part, 'utf16le');
      text.copy(units);
      const entry = Buffer.alloc(32);
      entry.writeUInt8(index + 1 + (index === parts.length - 1 ? 0x40 : 0), 0);
      entry.writeUInt8(0x0f, 11);
      units.copy(entry, 1, 0, 10);
      units.copy(entry, 14, 10, 22);
      units.copy(entry, 28, 22, 26);
      return entry;
    })
    .reverse();
}

/** A file for {@link makeExt4}, in the root folder. */
export interface Ext4File {
  readonly name: string;
  readonly content: string;
  readonly mode?: number;
  readonly mtime?: number;
  /** A link with this target instead of a file. */
  readonly target?: string;
}

export interface Ext4Spec {
  readonly uuid?: string;
  readonly label?: string;
  readonly created?: number;
  readonly files?: readonly Ext4File[];
}

const ext4BlockBytes = 1024;
const ext4Blocks = 256;
const inodeBytes = 256;
const inodeTable = 5;
const firstDataBlock = 40;

/** Block of file number `index` of {@link makeExt4}. */
export const ext4DataBlock = (index: number) => firstDataBlock + 8 * (index + 1);

/** An ext4 file system of one group with blocks of 1 KiB, extents and one level of folders. No checksums. */
export function makeExt4(spec: Ext4Spec = {}): Buffer {
  const {
    uuid = '00112233445566778899aabbccddeeff',
    label = 'root',
    created = 1_700_000_000,
    files = [],
  } = spec;
  const image = Buffer.alloc(ext4Blocks * ext4BlockBytes);
  const superblock = image.subarray(1024, 2048);
  superblock.writeUInt32LE(64, 0);
  superblock.writeUInt32LE(ext4Blocks, 4);
  superblock.writeUInt32LE(1, 20);
  superblock.writeUInt32LE(8192, 32);
  superblock.writeUInt32LE(64, 40);
  superblock.writeUInt16LE(0xef53, 56);
  superblock.writeUInt32LE(1, 76);
  superblock.writeUInt16LE(inodeBytes, 88);
  superblock.write(uuid, 104, 'hex');
  superblock.write(label, 120);
  superblock.writeUInt32LE(created, 264);
  image.writeUInt32LE(3, 2048);
  image.writeUInt32LE(4, 2052);
  image.writeUInt32LE(inodeTable, 2056);
  const entries = [folderEntry(2, '.', 12), folderEntry(2, '..', 12)];
  for (const [index, file] of files.entries()) {
    const number = 12 + index;
    const block = ext4DataBlock(index);
    const content = Buffer.from(file.target ?? file.content);
    const short = file.target !== undefined && content.length < 60;
    const inode = makeInode({
      mode: (file.target === undefined ? 0x8000 : 0xa000) | (file.mode ?? 0o644),
      size: content.length,
      mtime: file.mtime ?? 1_700_000_000,
      block: short ? undefined : block,
      blocks: Math.ceil(content.length / ext4BlockBytes),
    });
    if (short) content.copy(inode, 40);
    else content.copy(image, block * ext4BlockBytes);
    inode.copy(image, inodeTable * ext4BlockBytes + (number - 1) * inodeBytes);
    entries.push(folderEntry(number, file.name, 8 + 4 * Math.ceil(file.name.length / 4)));
  }
  const used = entries.reduce((sum, entry) => sum + entry.length, 0);
  // The last entry takes the rest of the block.
  const last = entries.at(-1);
  last?.writeUInt16LE(last.length + ext4BlockBytes - used, 4);
  Buffer.concat(entries).copy(image, firstDataBlock * ext4BlockBytes);
  const root = makeInode({
    mode: 0x41ed,
    size: ext4BlockBytes,
    mtime: 1_700_000_000,
    block: firstDataBlock,
    blocks: 1,
  });
  root.copy(image, inodeTable * ext4BlockBytes + inodeBytes);
  return image;
}

function makeInode(spec: {
  mode: number;
  size: number;
  mtime: number;
  block: number | undefined;
  blocks: number;
}): Buffer {
  const inode = Buffer.alloc(inodeBytes);
  inode.writeUInt16LE(spec.mode, 0);
  inode.writeUInt32LE(spec.size, 4);
  inode.writeUInt32LE(spec.mtime, 16);
  inode.writeUInt16LE(1, 26);
  inode.writeUInt16LE(32, 128);
  if (spec.block === undefined) return inode;
  inode.writeUInt32LE(0x80000, 32);
  inode.writeUInt16LE(0xf30a, 40);
  inode.writeUInt16LE(1, 42);
  inode.writeUInt16LE(4, 44);
  inode.writeUInt32LE(0, 52);
  inode.writeUInt16LE(spec.blocks, 56);
  inode.writeUInt32LE(spec.block, 60);
  return inode;
}

function folderEntry(inode: number, name: string, length: number): Buffer {
  const entry = Buffer.alloc(length);
  entry.writeUInt32LE(inode, 0);
  entry.writeUInt16LE(length, 4);
  entry.writeUInt8(name.length, 6);
  entry.write(name, 8);
  return entry;
}

/** A zip of one file. */
export function makeZip(name: string, packed: Buffer, dosTime = 0): Buffer {
  const header = Buffer.alloc(30);
  header.writeUInt32LE(0x04034b50, 0);
  header.writeUInt16LE(20, 4);
  header.writeUInt16LE(8, 8);
  header.writeUInt32LE(dosTime, 10);
  header.writeUInt32LE(packed.length, 18);
  header.writeUInt16LE(name.length, 26);
  return Buffer.concat([header, Buffer.from(name), packed, Buffer.from('PK\x01\x02 the directory')]);
}
