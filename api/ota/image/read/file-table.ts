import type {Descriptor} from '../model/descriptor.ts';
import type {DirectoryRow, FileResourceRow, Inode, NonRegularRow, RegularRow} from '../model/file-table.ts';
import {decodeXattrs} from '../model/xattrs.ts';
import {OtaError} from '../../ota-error.ts';
import type {ImageSource} from './image-source.ts';
import {readTable} from './open-table.ts';
import {TableDatabase} from './table-database.ts';

const what = 'The file table';
const columns = {
  ft_regular: ['path', 'inode_id', 'resource_id'],
  ft_dir: ['path', 'inode_id'],
  ft_non_regular: ['path', 'inode_id', 'meta'],
  ft_resource: ['resource_id', 'digest', 'size', 'contents'],
  ft_inode: ['inode_id', 'uid', 'gid', 'mode', 'links_count', 'xattrs'],
};

/** The root file system of a payload, as its file table has it. Rows come in the order of their paths. */
export class FileTable implements AsyncDisposable {
  readonly #database: TableDatabase;
  #inodes: ReadonlyMap<number, Inode> | undefined;

  private constructor(database: TableDatabase) {
    this.#database = database;
  }

  /** @throws {OtaError} TABLE_INVALID, and what reading the blob throws */
  static async open(source: ImageSource, descriptor: Descriptor): Promise<FileTable> {
    return FileTable.fromBytes(await readTable(source, descriptor, what));
  }

  /** The table in a database file that was read already. */
  static async fromBytes(bytes: Uint8Array | AsyncIterable<Uint8Array>): Promise<FileTable> {
    return new FileTable(await TableDatabase.open(bytes, what, columns));
  }

  *directories(): Generator<DirectoryRow> {
    const sql = 'SELECT CAST(path AS BLOB) AS path, inode_id FROM ft_dir ORDER BY ft_dir.path';
    for (const row of this.#database.rows(sql)) {
      yield {path: row.text('path'), inode: this.#inode(row.integer('inode_id'))};
    }
  }

  *nonRegulars(): Generator<NonRegularRow> {
    const sql =
      'SELECT CAST(path AS BLOB) AS path, inode_id, CAST(meta AS BLOB) AS meta FROM ft_non_regular ORDER BY ft_non_regular.path';
    for (const row of this.#database.rows(sql)) {
      const target = row.optionalBytes('meta') === undefined ? undefined : row.text('meta');
      yield {path: row.text('path'), inode: this.#inode(row.integer('inode_id')), target};
    }
  }

  *regulars(): Generator<RegularRow> {
    const sql =
      'SELECT CAST(path AS BLOB) AS path, inode_id, resource_id FROM ft_regular ORDER BY ft_regular.path';
    for (const row of this.#database.rows(sql)) {
      yield {
        path: row.text('path'),
        inode: this.#inode(row.integer('inode_id')),
        resourceId: row.integer('resource_id'),
      };
    }
  }

  *resources(): Generator<FileResourceRow> {
    for (const row of this.#database.rows('SELECT * FROM ft_resource ORDER BY resource_id')) {
      yield {
        id: row.integer('resource_id'),
        digest: row.digest('digest'),
        size: row.count('size'),
        contents: row.optionalBytes('contents'),
      };
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#database[Symbol.asyncDispose]();
  }

  #inode(id: number): Inode {
    this.#inodes ??= this.#readInodes();
    const inode = this.#inodes.get(id);
    if (!inode) throw new OtaError('TABLE_INVALID', `${what} uses the inode ${id}, which it does not have`);
    return inode;
  }

  #readInodes(): Map<number, Inode> {
    const inodes = new Map<number, Inode>();
    for (const row of this.#database.rows('SELECT * FROM ft_inode')) {
      const id = row.integer('inode_id');
      inodes.set(id, {
        id,
        uid: row.count('uid'),
        gid: row.count('gid'),
        mode: row.count('mode'),
        linksCount: row.optionalInteger('links_count'),
        xattrs: decodeXattrs(row.optionalBytes('xattrs') ?? null),
      });
    }
    return inodes;
  }
}
