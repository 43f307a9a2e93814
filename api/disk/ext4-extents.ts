import type {ByteSource} from './byte-source.ts';
import {DamagedError} from './file-system.ts';

/** Flags of an inode. */
export const extentsFlag = 0x80000;
const inlineDataFlag = 0x10000000;

/** Blocks of a file that follow each other in the file and on the disk. */
export interface LogicalExtent {
  readonly logical: number;
  /** Absent for what is allocated, but was never written. */
  readonly block: number | undefined;
  readonly count: number;
}

/** Which blocks a file has. */
export interface BlockMapping {
  /** By position in the file. */
  readonly extents: readonly LogicalExtent[];
  /** Blocks that hold the mapping itself. */
  readonly nodes: readonly number[];
}

/**
 * Reads the mapping of an inode, as extents or in the way of ext2.
 *
 * @throws DamagedError
 */
export async function readBlockMapping(
  inode: Buffer,
  source: ByteSource,
  blockBytes: number,
): Promise<BlockMapping> {
  const flags = inode.readUInt32LE(32);
  if ((flags & inlineDataFlag) !== 0) throw new DamagedError('files inside inodes are not understood');
  const reader = new MappingReader(source, blockBytes);
  const map = inode.subarray(40, 100);
  if ((flags & extentsFlag) !== 0) await reader.walkExtents(map, 5);
  else await reader.walkBlockMap(map);
  return {extents: reader.extents.sort((a, b) => a.logical - b.logical), nodes: reader.nodes};
}

/** Collects the extents of a file, no more than there can be: damaged trees can lead into each other. */
class MappingReader {
  readonly extents: LogicalExtent[] = [];
  readonly nodes: number[] = [];
  readonly #source: ByteSource;
  readonly #blockBytes: number;
  #left: number;

  constructor(source: ByteSource, blockBytes: number) {
    this.#source = source;
    this.#blockBytes = blockBytes;
    this.#left = source.sizeBytes / blockBytes;
  }

  async walkExtents(node: Buffer, depthLeft: number): Promise<void> {
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
        this.#add(
          length > 32_768
            ? {logical: entry.readUInt32LE(0), block: undefined, count: length - 32_768}
            : {logical: entry.readUInt32LE(0), block, count: length},
        );
      } else {
        const block = entry.readUInt32LE(4) + entry.readUInt16LE(8) * 2 ** 32;
        await this.walkExtents(await this.#readNode(block), depthLeft - 1);
      }
    }
  }

  /** The twelve direct blocks and the three trees of ext2. */
  async walkBlockMap(map: Buffer): Promise<void> {
    const perBlock = this.#blockBytes / 4;
    let logical = 0;
    const walk = async (block: number, level: number): Promise<void> => {
      if (block === 0) {
        logical += perBlock ** level;
      } else if (level === 0) {
        this.#add({logical: logical++, block, count: 1});
      } else {
        const node = await this.#readNode(block);
        for (let at = 0; at + 4 <= node.length; at += 4) await walk(node.readUInt32LE(at), level - 1);
      }
    };
    for (let index = 0; index < 15; index++) await walk(map.readUInt32LE(index * 4), Math.max(0, index - 11));
  }

  #add(extent: LogicalExtent): void {
    this.extents.push(extent);
    this.#countDown();
  }

  async #readNode(block: number): Promise<Buffer> {
    this.nodes.push(block);
    this.#countDown();
    return this.#source.read(block * this.#blockBytes, this.#blockBytes);
  }

  #countDown(): void {
    if (this.#left-- <= 0) throw new DamagedError('more extents than there are blocks');
  }
}
