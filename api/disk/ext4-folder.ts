import {DamagedError} from './file-system.ts';

/** A name in a folder. */
export interface FolderEntry {
  /** Of the inode. */
  readonly number: number;
  readonly name: string;
  /** {@link fileTypes} */
  readonly type: number;
}

/** Kinds of files as folders know them (ext4, directory.rst). */
export const fileTypes = {file: 1, folder: 2, link: 7} as const;

/** What stands at the end of each block of a folder for its checksum: 12 bytes that look like an unused entry. */
const tailBytes = 12;
const headerBytes = 8;
export const mostNameBytes = 255;

/** The entries of a folder. Blocks of a hash tree look like unused entries, so that they are passed over. */
export function* readFolderEntries(content: Buffer): Generator<FolderEntry> {
  for (let at = 0; at + headerBytes <= content.length;) {
    const length = content.readUInt16LE(at + 4);
    if (length < headerBytes || at + length > content.length) throw new DamagedError('a damaged folder');
    const number = content.readUInt32LE(at);
    const nameBytes = content.readUInt8(at + 6);
    if (number !== 0 && nameBytes > 0) {
      const name = content.toString('utf8', at + headerBytes, at + headerBytes + nameBytes);
      yield {number, name, type: content.readUInt8(at + 7)};
    }
    at += length;
  }
}

/**
 * The blocks of a folder with these entries, one after the other as they come; at least `leastBlocks`.
 *
 * @param checksum Makes the checksum of a block without its tail; absent where folders have none.
 */
export function packFolder(
  entries: readonly FolderEntry[],
  options: {
    readonly blockBytes: number;
    readonly leastBlocks: number;
    readonly checksum?: ((block: Buffer) => number) | undefined;
  },
): Buffer[] {
  const {blockBytes, leastBlocks, checksum} = options;
  const room = blockBytes - (checksum === undefined ? 0 : tailBytes);
  const blocks: Buffer[] = [];
  let block: Buffer | undefined;
  let used = 0;
  let last = 0;
  /** The last entry reaches up to the end. */
  const close = (): void => {
    if (block === undefined) return;
    block.writeUInt16LE(room - last, last + 4);
    if (checksum !== undefined) writeTail(block, checksum);
    blocks.push(block);
    block = undefined;
    used = last = 0;
  };
  for (const {number, name, type} of entries) {
    const nameBytes = Buffer.byteLength(name);
    const length = entryBytes(nameBytes);
    if (block !== undefined && used + length > room) close();
    block ??= Buffer.alloc(blockBytes);
    block.writeUInt32LE(number, used);
    block.writeUInt16LE(length, used + 4);
    block.writeUInt8(nameBytes, used + 6);
    block.writeUInt8(type, used + 7);
    block.write(name, used + headerBytes);
    last = used;
    used += length;
  }
  close();
  while (blocks.length < leastBlocks) {
    block = Buffer.alloc(blockBytes);
    close();
  }
  return blocks;
}

/** Room that an entry takes. */
export function entryBytes(nameBytes: number): number {
  return Math.ceil((headerBytes + nameBytes) / 4) * 4;
}

function writeTail(block: Buffer, checksum: (block: Buffer) => number): void {
  const at = block.length - tailBytes;
  block.writeUInt16LE(tailBytes, at + 4);
  block.writeUInt8(0xde, at + 7);
  block.writeUInt32LE(checksum(block.subarray(0, at)), at + 8);
}
