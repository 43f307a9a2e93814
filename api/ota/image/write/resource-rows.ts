import type {Sha256Hex} from '../model/digest.ts';
import type {Filter} from '../model/filter.ts';
import type {ResourceRow} from '../model/resource-table.ts';

/** The resources of an image that is being made; ids are given in the order of adding, from 1, without gaps. */
export class ResourceRows {
  readonly #rows: ResourceRow[] = [];
  readonly #ids = new Map<Sha256Hex, number>();

  constructor(rows: Iterable<ResourceRow> = []) {
    for (const row of rows) {
      this.#rows.push(row);
      this.#ids.set(row.digest, row.id);
    }
  }

  get rows(): readonly ResourceRow[] {
    return this.#rows;
  }

  find(digest: Sha256Hex): ResourceRow | undefined {
    const id = this.#ids.get(digest);
    return id === undefined ? undefined : this.#rows[id - 1];
  }

  /** The id of a digest, which is added if it is new. */
  add(digest: Sha256Hex, size: number): number {
    const known = this.#ids.get(digest);
    if (known !== undefined) return known;
    const id = this.#rows.length + 1;
    this.#rows.push({id, digest, size, filter: undefined});
    this.#ids.set(digest, id);
    return id;
  }

  /** Says how a resource is made from now on. */
  setFilter(id: number, filter: Filter): void {
    const row = this.#rows[id - 1];
    if (row) this.#rows[id - 1] = {...row, filter};
  }

  /** Whether every one of these is a blob, or would be one if it were added: filters of filters are not allowed. */
  areBlobs(digests: readonly Sha256Hex[]): boolean {
    return digests.every((digest) => this.find(digest)?.filter === undefined);
  }
}
