import type {Sha256Hex} from '../model/digest.ts';
import type {ReleaseKey} from '../model/image-index.ts';
import {FileTable} from '../read/file-table.ts';
import type {ImageReader} from '../read/image-reader.ts';
import {ResourceTable} from '../read/resource-table.ts';
import {OtaError} from '../../ota-error.ts';

export interface DiffOptions {
  readonly ecuId: string;
  readonly releaseKey?: ReleaseKey | undefined;
}

/** A path of the new image whose content the device does not have. */
export interface ChangedPath {
  readonly path: string;
  readonly sizeBytes: number;
  /** Stored bytes that no path before it has brought along. */
  readonly downloadBytes: number;
}

/** What a device that has the old payload must download for the new one. */
export interface ImageDiff {
  /** Blobs with contents of files. */
  readonly blobs: number;
  readonly bytes: number;
  /** The blobs and bytes that a device with nothing would download. */
  readonly allBlobs: number;
  readonly allBytes: number;
  /** Sorted by path. */
  readonly paths: readonly ChangedPath[];
  /** Paths of the old payload that the new one does not have. */
  readonly removed: readonly string[];
}

/**
 * Compares two images for one ECU. A device keeps the contents of files, not the blobs that they came in: it needs the
 * blobs of every content that the old payload does not have.
 * @throws {OtaError} PAYLOAD_NOT_FOUND, and what reading throws
 */
export async function diffImages(
  before: ImageReader,
  after: ImageReader,
  options: DiffOptions,
): Promise<ImageDiff> {
  const old = await readContents(before, options);
  const next = await readContents(after, options);
  const has = new Set([...old.values()].map(({digest}) => digest));
  const table = await readResources(after);
  const needed = new Map<Sha256Hex, number>();
  const all = new Map<Sha256Hex, number>();
  const paths: ChangedPath[] = [];
  for (const [path, {digest, size, isInline}] of next) {
    const blobs = isInline ? [] : table(digest);
    for (const blob of blobs) all.set(blob.digest, blob.size);
    if (has.has(digest)) continue;
    let downloadBytes = 0;
    for (const blob of blobs) {
      if (!needed.has(blob.digest)) downloadBytes += blob.size;
      needed.set(blob.digest, blob.size);
    }
    paths.push({path, sizeBytes: size, downloadBytes});
  }
  const sum = (sizes: ReadonlyMap<Sha256Hex, number>) =>
    [...sizes.values()].reduce((total, size) => total + size, 0);
  return {
    blobs: needed.size,
    bytes: sum(needed),
    allBlobs: all.size,
    allBytes: sum(all),
    paths,
    removed: [...old.keys()].filter((path) => !next.has(path)),
  };
}

interface PathContent {
  readonly digest: Sha256Hex;
  readonly size: number;
  readonly isInline: boolean;
}

async function readContents(
  image: ImageReader,
  {ecuId, releaseKey}: DiffOptions,
): Promise<Map<string, PathContent>> {
  const {layers} = await image.manifest(image.payload(ecuId, releaseKey));
  await using table = await FileTable.open(image.source, layers[0]);
  const resources = new Map([...table.resources()].map((row) => [row.id, row]));
  const contents = new Map<string, PathContent>();
  for (const {path, resourceId} of table.regulars()) {
    const row = resources.get(resourceId);
    if (!row)
      throw new OtaError('TABLE_INVALID', `The file table has no resource ${resourceId}, which ${path} uses`);
    contents.set(path, {
      digest: row.digest,
      size: row.size,
      isInline: row.contents !== undefined || row.size === 0,
    });
  }
  return contents;
}

/** Tells the blobs that a resource is made of. */
async function readResources(image: ImageReader) {
  const descriptor = image.resourceTable;
  if (!descriptor) throw new OtaError('TABLE_INVALID', 'The image has no resource table');
  const table = await ResourceTable.open(image.source, descriptor);
  // A bundle of a compressed form of slices: no valid filter is deeper.
  const leaves = (id: number, depth: number): {digest: Sha256Hex; size: number}[] => {
    if (depth > 3) throw new OtaError('FILTER_INVALID', 'Filters of the resource table lead in a circle');
    const row = table.row(id);
    const {filter} = row;
    if (!filter) return [row];
    const parts = filter.kind === 'slice' ? filter.ids : [filter.id];
    return parts.flatMap((one) => leaves(one, depth + 1));
  };
  return (digest: Sha256Hex) => {
    const row = table.find(digest);
    if (!row) throw new OtaError('TABLE_INVALID', `The resource table lacks ${digest}`);
    return leaves(row.id, 0);
  };
}
