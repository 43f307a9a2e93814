import {readContent, type FileContent} from '../../rootfs/file-content.ts';
import {fileTypes, type Rootfs, type RootfsEntry} from '../../rootfs/rootfs.ts';
import {sha256Hex, type Sha256Hex} from '../model/digest.ts';
import {maxInlineSize} from '../model/file-table.ts';
import {chunkBytes} from '../zstd/compress.ts';
import type {BlobStore} from './blob-store.ts';
import {withFile} from './blob-tasks.ts';
import type {FileResource} from './file-table-content.ts';
import {limits} from './limits.ts';
import {progressOf, type WorkOptions} from './progress.ts';

/** A thread is given files up to about this many bytes at once: messages cost more than small files. */
const batchBytes = 4 * 1024 * 1024;
const batchFiles = 64;

/**
 * Reads every file of a root file system once, hard links too, and tells what each one holds. With `isPressing`, what can
 * be compressed in the same go is.
 */
export async function hashRootfs(
  rootfs: Rootfs,
  store: BlobStore,
  options: WorkOptions & {readonly isPressing: boolean},
): Promise<(entry: RootfsEntry) => FileResource> {
  const found = new Map<FileContent, FileResource>();
  // Names of one file share their content, even where each name has an object of its own.
  const byLink = new Map<string, FileContent>();
  const contentOf = (entry: RootfsEntry): FileContent | undefined => {
    const {content, links} = entry;
    if (!content || !links) return content;
    const first = byLink.get(links.key) ?? content;
    byLink.set(links.key, first);
    return first;
  };
  const files = rootfs.entries.filter(({mode}) => (mode & fileTypes.mask) === fileTypes.file);
  const contents = [...new Set(files.map(contentOf))].filter(
    (one): one is FileContent => one !== undefined && one.sizeBytes > 0,
  );
  const total = contents.reduce((sum, {sizeBytes}) => sum + sizeBytes, 0);
  const advance = progressOf('hash', total, options.onProgress);
  store.expect(total);
  const isUnique = uniqueSizes(contents);
  const hashed: FileContent[] = [];
  const pressed: FileContent[] = [];
  for (const content of contents) {
    const size = content.sizeBytes;
    if (size <= maxInlineSize) found.set(content, inline(content));
    else if (options.isPressing && size > limits.maxBundledBytes && size <= chunkBytes && isUnique(content))
      pressed.push(content);
    else hashed.push(content);
  }
  const read = (
    all: readonly FileContent[],
    how: (batch: readonly FileContent[]) => Promise<readonly Sha256Hex[]>,
  ) =>
    batches(all).map(async (batch) => {
      const digests = await how(batch);
      for (const [index, content] of batch.entries()) {
        found.set(content, {hex: digests[index] as Sha256Hex, size: content.sizeBytes, contents: undefined});
        advance(content.sizeBytes);
      }
    });
  await Promise.all([
    ...read(pressed, (batch) => store.press(batch)),
    ...read(hashed, (batch) => store.hash(batch)),
  ]);
  return (entry) => {
    const resource = found.get(contentOf(entry) as FileContent);
    if (!resource) throw new Error(`not hashed: ${entry.path}`);
    return resource;
  };
}

/** What no other content is as large as occurs once. */
function uniqueSizes(contents: readonly FileContent[]): (content: FileContent) => boolean {
  const counts = new Map<number, number>();
  for (const {sizeBytes} of contents) counts.set(sizeBytes, (counts.get(sizeBytes) ?? 0) + 1);
  return ({sizeBytes}) => counts.get(sizeBytes) === 1;
}

function inline(content: FileContent): FileResource {
  const bytes = withFile(content, (file) => readContent(content, file, 0, content.sizeBytes));
  return {hex: sha256Hex(bytes), size: bytes.length, contents: bytes};
}

function batches(contents: readonly FileContent[]): FileContent[][] {
  const all: FileContent[][] = [];
  let current: FileContent[] = [];
  let bytes = 0;
  for (const content of contents) {
    current.push(content);
    bytes += content.sizeBytes;
    if (bytes >= batchBytes || current.length >= batchFiles) {
      all.push(current);
      current = [];
      bytes = 0;
    }
  }
  return current.length > 0 ? [...all, current] : all;
}
