import {OtaError} from '../../ota-error.ts';
import type {Descriptor} from '../model/descriptor.ts';
import type {Sha256Hex} from '../model/digest.ts';
import {decodeFilter} from '../model/filter.ts';
import type {ResourceRow} from '../model/resource-table.ts';
import type {ImageSource} from './image-source.ts';
import {readTable} from './open-table.ts';
import {TableDatabase} from './table-database.ts';

const what = 'The resource table';
const columns = {rs_manifest: ['resource_id', 'digest', 'size', 'filter_applied']};

/** How the resources of an image are made of its blobs. */
export class ResourceTable {
  readonly #byId: ReadonlyMap<number, ResourceRow>;
  readonly #byDigest: ReadonlyMap<Sha256Hex, ResourceRow>;

  private constructor(rows: readonly ResourceRow[]) {
    this.#byId = new Map(rows.map((row) => [row.id, row]));
    this.#byDigest = new Map(rows.map((row) => [row.digest, row]));
    if (this.#byDigest.size !== rows.length)
      throw new OtaError('TABLE_INVALID', `${what} has a digest twice`);
  }

  /** @throws {OtaError} TABLE_INVALID, FILTER_INVALID, and what reading the blob throws */
  static async open(source: ImageSource, descriptor: Descriptor): Promise<ResourceTable> {
    return ResourceTable.fromBytes(await readTable(source, descriptor, what));
  }

  /** The table in a database file that was read already. */
  static async fromBytes(bytes: Uint8Array | AsyncIterable<Uint8Array>): Promise<ResourceTable> {
    await using database = await TableDatabase.open(bytes, what, columns);
    const rows: ResourceRow[] = [];
    const sql = 'SELECT resource_id, digest, size, filter_applied FROM rs_manifest ORDER BY resource_id';
    for (const row of database.rows(sql)) {
      const filter = row.optionalBytes('filter_applied');
      rows.push({
        id: row.integer('resource_id'),
        digest: row.digest('digest'),
        size: row.count('size'),
        filter: filter && decodeFilter(filter),
      });
    }
    return new ResourceTable(rows);
  }

  /** In the order of their ids. */
  get rows(): IterableIterator<ResourceRow> {
    return this.#byId.values();
  }

  /** @throws {OtaError} FILTER_INVALID if a filter names an id that is not there */
  row(id: number): ResourceRow {
    const row = this.#byId.get(id);
    if (!row)
      throw new OtaError(
        'FILTER_INVALID',
        `A filter of the resource table uses resource ${id}, which is not there`,
      );
    return row;
  }

  find(digest: Sha256Hex): ResourceRow | undefined {
    return this.#byDigest.get(digest);
  }
}
