import type {Sha256Hex} from '../model/digest.ts';
import {maxInlineSize} from '../model/file-table.ts';
import type {ResourceRow} from '../model/resource-table.ts';
import {chunkBytes} from '../zstd/compress.ts';
import type {BlobStore} from './blob-store.ts';
import type {BlobResults, StoredBlob} from './blob-tasks.ts';
import {limits} from './limits.ts';
import type {ResourceRows} from './resource-rows.ts';

/** Files that become one blob. */
export interface Bundle {
  readonly members: readonly ResourceRow[];
  readonly made: BlobResults['bundle'];
}

/** Makes bundles of small files, in the order of their ids. */
export async function makeBundles(
  candidates: readonly ResourceRow[],
  store: BlobStore,
): Promise<readonly Bundle[]> {
  const groups = groupForBundles(candidates).slice(0, limits.maxBundles);
  return Promise.all(
    groups.map(async (members) => {
      const made = await store.bundle(members.map(({digest, size}) => store.contentOf(digest, size)));
      return {members, made};
    }),
  );
}

function groupForBundles(candidates: readonly ResourceRow[]): readonly (readonly ResourceRow[])[] {
  const groups: ResourceRow[][] = [];
  let current: ResourceRow[] = [];
  let bytes = 0;
  for (const row of candidates) {
    if (row.size <= maxInlineSize || row.size > limits.maxBundledBytes) continue;
    current.push(row);
    bytes += row.size;
    if (bytes > limits.bundleBytes) {
      groups.push(current);
      current = [];
      bytes = 0;
    }
  }
  return current.length >= limits.minBundledFiles ? [...groups, current] : groups;
}

/** Notes in the table how the members of bundles are made. Gives what is no blob any more. */
export function applyBundles(bundles: readonly Bundle[], rows: ResourceRows): readonly Sha256Hex[] {
  const replaced: Sha256Hex[] = [];
  for (const {members, made} of bundles) {
    // Such a file in the root file system would be our own bundle.
    if (!rows.areBlobs([made.compressed.hex, made.hex])) continue;
    const compressed = rows.add(made.compressed.hex, made.compressed.size);
    const bundle = rows.add(made.hex, made.size);
    rows.setFilter(bundle, {kind: 'compress', id: compressed, algorithm: 'zstd'});
    let offset = 0;
    for (const {id, digest, size} of members) {
      rows.setFilter(id, {kind: 'bundle', id: bundle, offset, length: size});
      offset += size;
      replaced.push(digest);
    }
  }
  return replaced;
}

/** A file and its compressed form. */
export interface Compressed {
  readonly row: ResourceRow;
  readonly blob: StoredBlob;
}

/** Compresses files that get much smaller by it. */
export async function compressResources(
  candidates: readonly ResourceRow[],
  store: BlobStore,
  advance: (bytes: number) => void,
): Promise<readonly Compressed[]> {
  const wanted = candidates.filter(({size}) => size > limits.minCompressedBytes);
  // Large ones one after the other: each uses all threads by itself. Small ones go between their chunks.
  const large = wanted.filter(({size}) => size > chunkBytes);
  const small = wanted.filter(({size}) => size <= chunkBytes);
  const compress = async (row: ResourceRow, isLarge: boolean): Promise<Compressed | undefined> => {
    const blob = await store.compress(store.contentOf(row.digest, row.size), isLarge);
    advance(row.size);
    return blob && {row, blob};
  };
  const largeOnes: (Compressed | undefined)[] = [];
  for (const row of large) largeOnes.push(await compress(row, true));
  const all = [...largeOnes, ...(await Promise.all(small.map((row) => compress(row, false))))];
  return all.filter((one) => one !== undefined);
}

/** Notes compressed files in the table, in the order of their ids. Gives what is no blob any more. */
export function applyCompressed(compressed: readonly Compressed[], rows: ResourceRows): readonly Sha256Hex[] {
  const replaced: Sha256Hex[] = [];
  for (const {row, blob} of [...compressed].sort((a, b) => a.row.id - b.row.id)) {
    // The root file system may hold the very bytes that compressing gives, and those may be in a bundle.
    if (!rows.areBlobs([blob.hex])) continue;
    rows.setFilter(row.id, {kind: 'compress', id: rows.add(blob.hex, blob.size), algorithm: 'zstd'});
    replaced.push(row.digest);
  }
  return replaced;
}

/** Cuts blobs that are too large. Gives what is no blob any more. */
export async function sliceResources(
  candidates: readonly ResourceRow[],
  rows: ResourceRows,
  store: BlobStore,
): Promise<readonly Sha256Hex[]> {
  const replaced: Sha256Hex[] = [];
  for (const {id, digest, size} of candidates) {
    if (size <= limits.maxBlobBytes) continue;
    const slices = await store.slice(store.contentOf(digest, size));
    if (!rows.areBlobs(slices.map(({hex}) => hex))) continue;
    // Equal slices have one row, and stand in the list as often as they occur.
    rows.setFilter(id, {kind: 'slice', ids: slices.map((slice) => rows.add(slice.hex, slice.size))});
    replaced.push(digest);
  }
  return replaced;
}
