import type {Ext4Groups} from './ext4-groups.ts';
import {Ext4Inode} from './ext4-inode.ts';
import type {Ext4Superblock} from './ext4-superblock.ts';
import {DamagedError} from './file-system.ts';
import type {RandomFile} from './random-file.ts';

/** Blocks of inodes that are kept before they are written: 8 MiB. */
const mostBlocks = 2048;

/** The inodes of an ext4, read and written by whole blocks. */
export class Ext4InodeTable {
  readonly #file: RandomFile;
  readonly #superblock: Ext4Superblock;
  readonly #groups: Ext4Groups;
  readonly #blocks = new Map<number, Buffer>();

  constructor(file: RandomFile, superblock: Ext4Superblock, groups: Ext4Groups) {
    this.#file = file;
    this.#superblock = superblock;
    this.#groups = groups;
  }

  /** A copy: changes count when they are {@link put}. */
  async get(number: number): Promise<Ext4Inode> {
    const {block, at} = await this.#place(number);
    return new Ext4Inode(number, Buffer.from(block.subarray(at, at + this.#superblock.inodeBytes)));
  }

  async put(inode: Ext4Inode): Promise<void> {
    inode.writeChecksum(this.#superblock);
    const {block, at} = await this.#place(inode.number);
    inode.bytes.copy(block, at);
  }

  async flush(): Promise<void> {
    const {blockBytes} = this.#superblock;
    for (const [number, block] of [...this.#blocks].sort(([a], [b]) => a - b))
      await this.#file.write(number * blockBytes, block);
    this.#blocks.clear();
  }

  async #place(number: number): Promise<{block: Buffer; at: number}> {
    const {inodeCount, inodesPerGroup, inodeBytes, blockBytes} = this.#superblock;
    if (number < 1 || number > inodeCount) throw new DamagedError(`there is no inode ${number}`);
    const offset = ((number - 1) % inodesPerGroup) * inodeBytes;
    const place =
      this.#groups.inodeTable(Math.floor((number - 1) / inodesPerGroup)) + Math.floor(offset / blockBytes);
    let block = this.#blocks.get(place);
    if (block === undefined) {
      if (this.#blocks.size >= mostBlocks) await this.flush();
      block = await this.#file.read(place * blockBytes, blockBytes);
      if (block.length < blockBytes) throw new DamagedError('an inode table is cut off');
      this.#blocks.set(place, block);
    }
    return {block, at: offset % blockBytes};
  }
}
