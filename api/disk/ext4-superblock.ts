import {crc16, crc32c} from './crc.ts';
import {superblockStart} from './ext4-layout.ts';
import {DamagedError} from './file-system.ts';
import type {RandomFile} from './random-file.ts';

const superblockBytes = 1024;
const magic = 0xef53;

/** Incompatible features that writing here understands: file types, extents, 64 bit, flexible groups, own checksum seed, large folders. */
const knownIncompatible = 0x2 | 0x40 | 0x80 | 0x200 | 0x2000 | 0x4000;
/** Read-only features: sparse superblocks, large and huge files, B-tree folders, group checksums, many links, large inodes, metadata checksums, verity. */
const knownReadOnly = 0x1 | 0x2 | 0x4 | 0x8 | 0x10 | 0x20 | 0x40 | 0x400 | 0x8000;
const names: readonly (readonly [at: number, bit: number, name: string])[] = [
  [96, 0x1, 'compression'],
  [96, 0x8, 'journal_dev'],
  [96, 0x10, 'meta_bg'],
  [96, 0x100, 'mmp'],
  [96, 0x400, 'ea_inode'],
  [96, 0x8000, 'inline_data'],
  [96, 0x10000, 'encrypt'],
  [96, 0x20000, 'casefold'],
  [100, 0x100, 'quota'],
  [100, 0x200, 'bigalloc'],
  [100, 0x1000, 'read-only'],
  [100, 0x2000, 'project'],
  [100, 0x10000, 'orphan_present'],
];

/** A file system that is sound, but of a kind that is not written to. */
export class UnsupportedExt4Error extends Error {
  override readonly name = 'UnsupportedExt4Error';
}

/** The superblock of an ext4 that is written to (Linux, Documentation/filesystems/ext4/super.rst). */
export class Ext4Superblock {
  readonly #bytes: Buffer;
  readonly blockBytes: number;
  readonly firstDataBlock: number;
  readonly blocksPerGroup: number;
  readonly inodesPerGroup: number;
  readonly inodeBytes: number;
  readonly inodeCount: number;
  readonly blockCount: number;
  readonly reservedBlocks: number;
  readonly reservedTableBlocks: number;
  readonly descriptorBytes: number;
  readonly groupCount: number;
  /** Inodes below it belong to the file system itself. */
  readonly firstInode: number;
  readonly isSparseSuper: boolean;
  readonly hasMetadataChecksums: boolean;
  readonly hasGroupChecksums: boolean;
  /** Where every CRC-32C of this file system starts. */
  readonly checksumSeed: number;

  private constructor(bytes: Buffer) {
    const word = (at: number) => bytes.readUInt32LE(at);
    this.#bytes = bytes;
    this.blockBytes = 1024 << word(24);
    this.firstDataBlock = word(20);
    this.blocksPerGroup = word(32);
    this.inodesPerGroup = word(40);
    this.inodeCount = word(0);
    this.inodeBytes = word(76) === 0 ? 128 : bytes.readUInt16LE(88);
    this.firstInode = word(76) === 0 ? 11 : word(84);
    const isWide = (word(96) & 0x80) !== 0;
    this.descriptorBytes = isWide ? Math.max(32, bytes.readUInt16LE(254)) : 32;
    this.blockCount = word(4) + (isWide ? word(336) * 2 ** 32 : 0);
    this.reservedBlocks = word(8) + (isWide ? word(340) * 2 ** 32 : 0);
    this.reservedTableBlocks = bytes.readUInt16LE(206);
    this.groupCount = Math.ceil((this.blockCount - this.firstDataBlock) / this.blocksPerGroup);
    this.isSparseSuper = (word(100) & 0x1) !== 0;
    this.hasMetadataChecksums = (word(100) & 0x400) !== 0;
    this.hasGroupChecksums = (word(100) & 0x10) !== 0;
    this.checksumSeed = (word(96) & 0x2000) !== 0 ? word(624) : crc32c(0xffffffff, this.uuid);
  }

  /**
   * @throws DamagedError when there is no ext file system; UnsupportedExt4Error when it is one of another kind, or was not
   *   unmounted cleanly.
   */
  static async read(file: RandomFile): Promise<Ext4Superblock> {
    const bytes = await file.read(superblockStart, superblockBytes);
    if (bytes.length < superblockBytes || bytes.readUInt16LE(56) !== magic)
      throw new DamagedError('there is no ext4 file system');
    const [incompatible, readOnly] = [bytes.readUInt32LE(96), bytes.readUInt32LE(100)];
    if ((incompatible & 0x4) !== 0 || (bytes.readUInt16LE(58) & 1) === 0 || bytes.readUInt32LE(232) !== 0)
      throw new UnsupportedExt4Error('it was not unmounted cleanly');
    if ((incompatible & 0x40) === 0) throw new UnsupportedExt4Error('it is an ext2 or ext3, not an ext4');
    if ((incompatible & ~knownIncompatible) !== 0 || (readOnly & ~knownReadOnly) !== 0) {
      const found = names
        .filter(([at, bit]) => (bytes.readUInt32LE(at) & bit) !== 0)
        .map(([, , name]) => name);
      throw new UnsupportedExt4Error(
        `it has features that are not written here: ${found.join(', ') || 'unknown ones'}`,
      );
    }
    const block = new Ext4Superblock(Buffer.from(bytes));
    block.#check(file.sizeBytes);
    return block;
  }

  get uuid(): Buffer {
    return this.#bytes.subarray(104, 120);
  }

  /** What group checksums of the old kind start with. */
  get oldChecksumSeed(): number {
    return crc16(0xffff, this.uuid);
  }

  get freeBlocks(): number {
    return (
      this.#bytes.readUInt32LE(12) + (this.descriptorBytes > 32 ? this.#bytes.readUInt32LE(344) * 2 ** 32 : 0)
    );
  }

  get freeInodes(): number {
    return this.#bytes.readUInt32LE(16);
  }

  /** Bytes that every new inode has beyond the first 128. */
  get extraInodeBytes(): number {
    return this.inodeBytes > 128 ? Math.min(32, this.inodeBytes - 128) : 0;
  }

  /** Notes that a file needs more than 31 bits for its size. */
  markLargeFile(): void {
    this.#bytes.writeUInt32LE(this.#bytes.readUInt32LE(100) | 0x2, 100);
  }

  /** @param time Seconds since 1970 of the last change. */
  async write(
    file: RandomFile,
    {freeBlocks, freeInodes, time}: {freeBlocks: number; freeInodes: number; time: number},
  ) {
    const bytes = this.#bytes;
    bytes.writeUInt32LE(freeBlocks % 2 ** 32, 12);
    if (this.descriptorBytes > 32) bytes.writeUInt32LE(Math.floor(freeBlocks / 2 ** 32), 344);
    bytes.writeUInt32LE(freeInodes, 16);
    bytes.writeUInt32LE(time % 2 ** 32, 48);
    bytes.writeUInt8(Math.floor(time / 2 ** 32), 628);
    if (this.hasMetadataChecksums) bytes.writeUInt32LE(crc32c(0xffffffff, bytes.subarray(0, 1020)), 1020);
    await file.write(superblockStart, bytes);
  }

  #check(sizeBytes: number): void {
    const {blockBytes, blocksPerGroup, inodesPerGroup, inodeBytes} = this;
    const isSane =
      blockBytes <= 65_536 &&
      blocksPerGroup > 0 &&
      blocksPerGroup <= blockBytes * 8 &&
      inodesPerGroup > 0 &&
      inodesPerGroup <= blockBytes * 8 &&
      inodeBytes >= 128 &&
      inodeBytes <= blockBytes &&
      this.blockCount > this.firstDataBlock &&
      this.inodeCount === this.groupCount * inodesPerGroup;
    if (!isSane) throw new DamagedError('the superblock contradicts itself');
    if (this.blockCount * blockBytes > sizeBytes)
      throw new DamagedError('the file system is larger than its partition');
  }
}
