import {emptyFileHex, type Sha256Hex} from '../model/digest.ts';
import {emptyFileResourceId, fileTableDdl, maxInlineSize} from '../model/file-table.ts';
import {encodeXattrs} from '../model/xattrs.ts';
import {fileTypes, type RootfsEntry} from '../../rootfs/rootfs.ts';
import type {InsertRow, TableContent} from './write-table.ts';

/** The content of a regular file, as the file table has it. */
export interface FileResource {
  readonly hex: Sha256Hex;
  readonly size: number;
  /** Of at most {@link maxInlineSize} bytes, which are kept in the table. */
  readonly contents: Uint8Array | undefined;
}

/** The counts that the labels of an image config tell. */
export interface FileTableCounts {
  blobs: number;
  blobsBytes: number;
  rootfsBytes: number;
  regularFiles: number;
  nonRegularFiles: number;
  folders: number;
  uniqueFiles: number;
  uniqueFilesBytes: number;
}

/**
 * The file table of a root file system. Ids follow the order of the entries, which is that of their paths; inodes of files
 * with several names get negative ids. `resourceOf` tells the content of a regular file that is not empty.
 */
export function fileTableContent(
  entries: readonly RootfsEntry[],
  resourceOf: (entry: RootfsEntry) => FileResource,
): {readonly content: TableContent; readonly counts: FileTableCounts} {
  const resources = new Map<Sha256Hex, {id: number; resource: FileResource}>();
  const inodes = new InodeRows();
  const regular: InsertRow[] = [];
  const folders: InsertRow[] = [];
  const nonRegular: InsertRow[] = [];
  let rootfsBytes = 0;
  const empty = {hex: emptyFileHex, size: 0, contents: new Uint8Array(0)};
  resources.set(emptyFileHex, {id: emptyFileResourceId, resource: empty});
  for (const entry of entries) {
    const inode = inodes.idOf(entry);
    switch (entry.mode & fileTypes.mask) {
      case fileTypes.folder:
        folders.push([entry.path, inode]);
        break;
      case fileTypes.file: {
        const resource = entry.content?.sizeBytes === 0 ? empty : resourceOf(entry);
        const known = resources.get(resource.hex) ?? {id: resources.size, resource};
        resources.set(resource.hex, known);
        regular.push([entry.path, inode, known.id]);
        rootfsBytes += resource.size;
        break;
      }
      default:
        nonRegular.push([entry.path, inode, entry.target === undefined ? null : Buffer.from(entry.target)]);
    }
  }
  const unique = [...resources.values()];
  const blobs = unique.filter(({resource}) => resource.size > maxInlineSize);
  const sum = (list: typeof unique) => list.reduce((total, {resource}) => total + resource.size, 0);
  return {
    content: {
      ddl: fileTableDdl,
      inserts: [
        {sql: 'INSERT INTO ft_regular (path, inode_id, resource_id) VALUES (?, ?, ?)', rows: regular},
        {sql: 'INSERT INTO ft_dir (path, inode_id) VALUES (?, ?)', rows: folders},
        {sql: 'INSERT INTO ft_non_regular (path, inode_id, meta) VALUES (?, ?, ?)', rows: nonRegular},
        {
          sql: 'INSERT INTO ft_resource (resource_id, digest, size, contents) VALUES (?, ?, ?, ?)',
          rows: unique.map(({id, resource: {hex, size, contents}}) => [
            id,
            Buffer.from(hex, 'hex'),
            size,
            contents ?? null,
          ]),
        },
        {
          sql: 'INSERT INTO ft_inode (inode_id, uid, gid, mode, links_count, xattrs) VALUES (?, ?, ?, ?, ?, ?)',
          rows: inodes.rows,
        },
      ],
    },
    counts: {
      blobs: blobs.length,
      blobsBytes: sum(blobs),
      rootfsBytes,
      regularFiles: regular.length,
      nonRegularFiles: nonRegular.length,
      folders: folders.length,
      uniqueFiles: unique.length,
      uniqueFilesBytes: sum(unique),
    },
  };
}

class InodeRows {
  readonly rows: InsertRow[] = [];
  readonly #linked = new Map<string, number>();
  #last = 0;

  idOf({links, uid, gid, mode, xattrs}: RootfsEntry): number {
    const known = links && this.#linked.get(links.key);
    if (known !== undefined) return known;
    const id = links ? -(this.#linked.size + 1) : ++this.#last;
    if (links) this.#linked.set(links.key, id);
    // Sorted, because the order that a file system gives them in depends on it.
    const sorted = new Map([...xattrs].sort(([a], [b]) => (a < b ? -1 : 1)));
    this.rows.push([id, uid, gid, mode, links?.count ?? null, encodeXattrs(sorted)]);
    return id;
  }
}
