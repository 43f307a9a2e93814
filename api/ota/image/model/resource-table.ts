import type {Sha256Hex} from './digest.ts';
import type {Filter} from './filter.ts';

/** The only table of a resource table. */
export const resourceTableDdl: readonly string[] = [
  `CREATE TABLE rs_manifest (resource_id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, size INTEGER NOT NULL, filter_applied BLOB, meta BLOB)`,
];

/** How one resource is made: without filter it is the blob of that digest. Ids run from 1 without gaps. */
export interface ResourceRow {
  readonly id: number;
  readonly digest: Sha256Hex;
  readonly size: number;
  readonly filter: Filter | undefined;
}
