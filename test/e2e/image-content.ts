import {FileSource, sliceOf} from '../../api/disk/byte-source.ts';
import {openExt4} from '../../api/disk/ext4.ts';
import {openFat} from '../../api/disk/fat.ts';
import type {TreeEntry} from '../../api/disk/file-system.ts';
import {readPartitionTable} from '../../api/disk/partition-table.ts';

/** What lies in the two partitions of an image, by path. */
export interface ImageContent {
  readonly boot: ReadonlyMap<string, TreeEntry>;
  readonly root: ReadonlyMap<string, TreeEntry>;
}

/** Hands over the content of an image file while it is open. */
export async function withImage<T>(path: string, use: (content: ImageContent) => Promise<T>): Promise<T> {
  await using source = await FileSource.open(path);
  const [first, second] = (await readPartitionTable(source))?.partitions ?? [];
  if (first === undefined || second === undefined) throw new Error(`${path} has no two partitions`);
  const boot = await openFat(sliceOf(source, first.startBytes, first.sizeBytes));
  const root = await openExt4(sliceOf(source, second.startBytes, second.sizeBytes));
  if (boot === undefined || root === undefined) throw new Error(`${path} has no FAT and ext4 file systems`);
  return await use({boot: await boot.readTree(), root: await root.readTree()});
}

export async function textOf(entry: TreeEntry | undefined): Promise<string | undefined> {
  const content = entry?.content;
  return content && (await content.read(0, content.sizeBytes)).toString();
}
