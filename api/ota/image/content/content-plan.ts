import {OtaError} from '../../ota-error.ts';
import type {Sha256Hex} from '../model/digest.ts';
import type {ResourceRow} from '../model/resource-table.ts';
import type {ResourceTable} from '../read/resource-table.ts';

interface PlanBase {
  /** Of the bytes that the plan gives. */
  readonly digest: Sha256Hex;
  readonly size: number;
}

/** How the bytes of a resource are made; plain data, so that it can be sent to a worker thread. */
export type ContentPlan = BlobPlan | CompressPlan | SlicePlan | BundlePlan;

export interface BlobPlan extends PlanBase {
  readonly kind: 'blob';
}
export interface CompressPlan extends PlanBase {
  readonly kind: 'compress';
  readonly of: ContentPlan;
}
export interface SlicePlan extends PlanBase {
  readonly kind: 'slice';
  readonly of: readonly BlobPlan[];
}
export interface BundlePlan extends PlanBase {
  readonly kind: 'bundle';
  readonly of: ContentPlan;
  readonly offset: number;
}

/** A member of a bundle, the bundle, its compressed form, a slice of that: nothing is deeper. */
const maxDepth = 4;

/**
 * Follows the filters of a resource down to blobs.
 * @throws {OtaError} FILTER_INVALID for circles, ids and ranges that do not exist, and sizes that do not add up
 */
export function planContent(table: ResourceTable, row: ResourceRow): ContentPlan {
  return follow(table, row, []);
}

function follow(table: ResourceTable, row: ResourceRow, path: readonly number[]): ContentPlan {
  const {id, digest, size, filter} = row;
  if (path.includes(id)) throw invalid(row, 'leads in a circle');
  if (path.length >= maxDepth) throw invalid(row, 'is too deeply nested');
  if (!filter) return {kind: 'blob', digest, size};
  const next = (of: number) => follow(table, table.row(of), [...path, id]);
  switch (filter.kind) {
    case 'compress':
      return {kind: 'compress', digest, size, of: next(filter.id)};
    case 'bundle': {
      const of = next(filter.id);
      if (filter.length !== size) throw invalid(row, `has ${filter.length} bytes for a resource of ${size}`);
      if (filter.offset + filter.length > of.size) throw invalid(row, 'lies outside its bundle');
      return {kind: 'bundle', digest, size, of, offset: filter.offset};
    }
    case 'slice': {
      const of = filter.ids.map((slice) => {
        const plan = next(slice);
        if (plan.kind !== 'blob') throw invalid(row, `has the slice ${slice}, which is not a blob`);
        return plan;
      });
      const sum = of.reduce((total, slice) => total + slice.size, 0);
      if (sum !== size) throw invalid(row, `has slices of ${sum} bytes for a resource of ${size}`);
      return {kind: 'slice', digest, size, of};
    }
  }
}

function invalid({id}: ResourceRow, problem: string): OtaError {
  return new OtaError('FILTER_INVALID', `The filter of resource ${id} ${problem}`);
}
