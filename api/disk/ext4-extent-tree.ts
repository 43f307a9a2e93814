import type {BlockRun} from './ext4-groups.ts';

/** Entries that the inode itself has room for. */
const rootEntries = 4;
const entryBytes = 12;
const magic = 0xf30a;
/** Longer ones would count as never written. */
export const mostBlocksInExtent = 32_768;

/** A block of an extent tree that has yet to be written. */
export interface TreeNode {
  readonly block: number;
  readonly bytes: Buffer;
}

interface Entry {
  readonly logical: number;
  readonly bytes: Buffer;
}

/** How many blocks a tree over so many extents needs. */
export function treeBlocks(extents: number, blockBytes: number): number {
  const perNode = Math.floor((blockBytes - entryBytes) / entryBytes);
  let nodes = 0;
  for (let level = extents; level > rootEntries;) nodes += level = Math.ceil(level / perNode);
  return nodes;
}

/**
 * Makes the extent tree over the blocks of a file (Linux, Documentation/filesystems/ext4/ifork.rst).
 *
 * @param runs In the order of the file, without holes.
 * @param blocks Where the nodes go: as many as {@link treeBlocks} says.
 * @param checksum Makes that of a node without its tail; absent where nodes have none.
 * @returns the 60 bytes for the inode, and the nodes.
 */
export function makeExtentTree(
  runs: readonly BlockRun[],
  blocks: readonly number[],
  options: {readonly blockBytes: number; readonly checksum?: ((node: Buffer) => number) | undefined},
): {readonly map: Buffer; readonly nodes: readonly TreeNode[]} {
  const {blockBytes, checksum} = options;
  const perNode = Math.floor((blockBytes - entryBytes) / entryBytes);
  const nodes: TreeNode[] = [];
  const free = [...blocks];
  let level = leafEntries(runs);
  let depth = 0;
  for (; level.length > rootEntries; depth++) {
    const above: Entry[] = [];
    for (let at = 0; at < level.length; at += perNode) {
      const entries = level.slice(at, at + perNode);
      const block = free.shift();
      if (block === undefined) throw new RangeError('too few blocks for an extent tree');
      const bytes = writeNode(Buffer.alloc(blockBytes), entries, perNode, depth);
      const end = entryBytes + perNode * entryBytes;
      if (checksum !== undefined) bytes.writeUInt32LE(checksum(bytes.subarray(0, end)), end);
      nodes.push({block, bytes});
      above.push(indexEntry(entries[0]?.logical ?? 0, block));
    }
    level = above;
  }
  return {map: writeNode(Buffer.alloc(60), level, rootEntries, depth), nodes};
}

/** Joins runs that follow each other, and cuts those that are too long for one extent. */
export function joinRuns(runs: readonly BlockRun[]): BlockRun[] {
  const joined: {start: number; count: number}[] = [];
  for (const {start, count} of runs) {
    const last = joined.at(-1);
    if (last !== undefined && last.start + last.count === start) last.count += count;
    else joined.push({start, count});
  }
  return joined.flatMap(({start, count}) =>
    Array.from({length: Math.ceil(count / mostBlocksInExtent)}, (_, index) => ({
      start: start + index * mostBlocksInExtent,
      count: Math.min(mostBlocksInExtent, count - index * mostBlocksInExtent),
    })),
  );
}

function leafEntries(runs: readonly BlockRun[]): Entry[] {
  let logical = 0;
  return runs.map(({start, count}) => {
    const bytes = Buffer.alloc(entryBytes);
    bytes.writeUInt32LE(logical, 0);
    bytes.writeUInt16LE(count, 4);
    bytes.writeUInt16LE(Math.floor(start / 2 ** 32), 6);
    bytes.writeUInt32LE(start % 2 ** 32, 8);
    const entry = {logical, bytes};
    logical += count;
    return entry;
  });
}

function indexEntry(logical: number, block: number): Entry {
  const bytes = Buffer.alloc(entryBytes);
  bytes.writeUInt32LE(logical, 0);
  bytes.writeUInt32LE(block % 2 ** 32, 4);
  bytes.writeUInt16LE(Math.floor(block / 2 ** 32), 8);
  return {logical, bytes};
}

function writeNode(node: Buffer, entries: readonly Entry[], most: number, depth: number): Buffer {
  node.writeUInt16LE(magic, 0);
  node.writeUInt16LE(entries.length, 2);
  node.writeUInt16LE(most, 4);
  node.writeUInt16LE(depth, 6);
  for (const [index, {bytes}] of entries.entries()) bytes.copy(node, entryBytes + index * entryBytes);
  return node;
}
