import {OtaError} from '../../ota-error.ts';
import {decodeMsgpack, encodeMsgpack, type MsgpackValue} from './msgpack.ts';

/** How a resource is made of others; ids are those of the resource table. */
export type Filter =
  /** Some bytes of another resource. */
  | {readonly kind: 'bundle'; readonly id: number; readonly offset: number; readonly length: number}
  /** The decompressed bytes of another resource. */
  | {readonly kind: 'compress'; readonly id: number; readonly algorithm: 'zstd'}
  /** Others one after the other; an id may occur more than once. */
  | {readonly kind: 'slice'; readonly ids: readonly number[]};

/** Larger ones are refused; this is room for 200 000 slices, or 10 TB. */
export const maxFilterSize = 1024 * 1024;

/** The `filter_applied` column: a letter, a colon, a MessagePack array. */
export function encodeFilter(filter: Filter): Buffer {
  switch (filter.kind) {
    case 'bundle':
      return Buffer.concat([Buffer.from('b:'), encodeMsgpack([filter.id, filter.offset, filter.length])]);
    case 'compress':
      return Buffer.concat([Buffer.from('c:'), encodeMsgpack([filter.id, filter.algorithm])]);
    case 'slice':
      return Buffer.concat([Buffer.from('s:'), encodeMsgpack(filter.ids)]);
  }
}

/** @throws {OtaError} FILTER_INVALID for an unknown letter or a wrong array */
export function decodeFilter(column: Uint8Array): Filter {
  if (column.length > maxFilterSize) throw invalid('is larger than 1 MiB');
  if (column[1] !== 0x3a) throw invalid('does not start with a letter and a colon');
  const array = decodeMsgpack(column.subarray(2));
  if (!Array.isArray(array)) throw invalid('is not an array');
  const items = array as readonly MsgpackValue[];
  const code = String.fromCharCode(column[0] ?? 0);
  switch (code) {
    case 'b': {
      const [id, offset, length] = items;
      if (items.length !== 3 || !isCount(id) || !isCount(offset) || !isCount(length))
        throw invalid('is no bundle');
      return {kind: 'bundle', id, offset, length};
    }
    case 'c': {
      const [id, algorithm] = items;
      if (items.length !== 2 || !isCount(id)) throw invalid('is no compression');
      if (algorithm !== 'zstd')
        throw invalid(`uses the compression ${JSON.stringify(algorithm)}, only zstd is known`);
      return {kind: 'compress', id, algorithm};
    }
    case 's':
      if (items.length === 0 || !items.every(isCount)) throw invalid('is no list of slices');
      return {kind: 'slice', ids: items};
    default:
      throw invalid(`has the unknown code ${JSON.stringify(code)}`);
  }
}

function isCount(value: MsgpackValue | undefined): value is number {
  return typeof value === 'number';
}

function invalid(problem: string): OtaError {
  return new OtaError('FILTER_INVALID', `A filter of the resource table ${problem}`);
}
