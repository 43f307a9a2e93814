import {keys} from '../model/annotation-keys.ts';
import {hexOf, type Sha256Hex} from '../model/digest.ts';
import {entryKind, type ImageIndex} from '../model/image-index.ts';
import type {ResourceRow} from '../model/resource-table.ts';
import {OtaError} from '../../ota-error.ts';
import {BlobStore} from './blob-store.ts';
import {
  applyBundles,
  applyCompressed,
  compressResources,
  makeBundles,
  sliceResources,
  type Bundle,
  type Compressed,
} from './filters.ts';
import {ImageFolder, requireNotFinalized} from './image-folder.ts';
import {limits} from './limits.ts';
import {progressOf, type WorkOptions} from './progress.ts';
import {protectedBlobs} from './protected-blobs.ts';
import type {ResourceRows} from './resource-rows.ts';
import {readResourceRows, storeResourceTable, withResourceTable} from './write-resource-table.ts';

export interface FinalizeOptions extends WorkOptions {
  readonly image: string;
  /** Unix seconds; default: now. */
  readonly created?: number | undefined;
  readonly skipBundle?: boolean | undefined;
  readonly skipCompression?: boolean | undefined;
  readonly skipSlice?: boolean | undefined;
}

export interface FinalizeResult {
  readonly blobsCount: number;
  readonly blobsSize: number;
  readonly bundled: number;
  readonly compressed: number;
  readonly sliced: number;
}

/**
 * Makes the blobs of an image small and closes it for changes. index.json changes at the end, in one step: after a
 * failure the image is what it was.
 * @throws {OtaError} NOT_AN_IMAGE, ALREADY_FINALIZED, INPUT_INVALID without a payload, BLOB_MISSING, BLOB_CORRUPT
 */
export async function finalizeImage(options: FinalizeOptions): Promise<FinalizeResult> {
  const image = await ImageFolder.open(options.image);
  await using store = new BlobStore(image.blobsPath, options);
  return await finalizeBlobs(image, store, options);
}

/** {@link finalizeImage}, where contents may be deferred, and work on them may have begun. */
export async function finalizeBlobs(
  image: ImageFolder,
  store: BlobStore,
  options: Omit<FinalizeOptions, 'image'> & {readonly begun?: BegunFilters | undefined},
): Promise<FinalizeResult> {
  const index = await image.readIndex();
  requireNotFinalized(index);
  if (!index.manifests.some((one) => entryKind(one) === 'payload')) {
    throw new OtaError('INPUT_INVALID', 'The image has no payload', {
      hint: 'Add one with hypriotkit ota add-image.',
    });
  }
  const rows = await readResourceRows(image, index);
  const isProtected = await protectedBlobs(image, index);
  const {replaced, ...counts} = await applyFilters(rows, isProtected, store, options);
  for (const {digest, size, filter} of rows.rows) {
    if (filter === undefined && store.isDeferred(digest)) await store.store(store.contentOf(digest, size));
  }
  const table = await storeResourceTable(rows, store, {isCompressed: true, tmpDir: options.tmpDir});
  const obsolete = new Set([...replaced, ...oldTables(index)]);
  const unused = store.created.filter(
    (hex) =>
      rows.find(hex)?.filter !== undefined ||
      !(rows.find(hex) || hex === hexOf(table.digest) || isProtected.has(hex)),
  );
  for (const hex of unused) store.remove(hex);
  let blobsCount = 0;
  let blobsSize = 0;
  for (const [hex, size] of await image.listBlobs()) {
    if (obsolete.has(hex)) continue;
    blobsCount += 1;
    blobsSize += size;
  }
  await image.writeIndex({
    ...index,
    manifests: withResourceTable(index.manifests, table),
    annotations: {
      ...index.annotations,
      [keys.createdAt]: options.created ?? Math.floor(Date.now() / 1000),
      [keys.blobsCount]: blobsCount,
      [keys.blobsSize]: blobsSize,
    },
  });
  store.commit();
  // Only now: without the new index.json the image still needs them.
  for (const hex of obsolete) store.remove(hex);
  return {blobsCount, blobsSize, ...counts};
}

/** The bundles of small files, and the compressed forms of the others, which need not wait for them. */
export interface BegunFilters {
  readonly candidates: readonly ResourceRow[];
  readonly advance: (bytes: number) => void;
  readonly made: Promise<readonly [readonly Bundle[], readonly Compressed[]]>;
}

const isLarge = ({size}: ResourceRow) => size > limits.maxBundledBytes;

/** Begins what takes longest. A failure is told by `made` alone. */
export function beginFilters(
  candidates: readonly ResourceRow[],
  store: BlobStore,
  {skipBundle, skipCompression, onProgress}: Omit<FinalizeOptions, 'image'>,
): BegunFilters {
  const total = candidates.reduce((sum, {size}) => sum + size, 0);
  store.expect(total);
  const advance = progressOf('compress', total, onProgress);
  const made = Promise.all([
    skipBundle ? [] : makeBundles(candidates, store),
    skipCompression ? [] : compressResources(candidates.filter(isLarge), store, advance),
  ]);
  made.catch(() => undefined);
  return {candidates, advance, made};
}

async function applyFilters(
  rows: ResourceRows,
  isProtected: ReadonlySet<Sha256Hex>,
  store: BlobStore,
  options: Omit<FinalizeOptions, 'image'> & {readonly begun?: BegunFilters | undefined},
) {
  const {skipCompression = false, skipSlice = false, begun} = options;
  const open = (): readonly ResourceRow[] =>
    rows.rows.filter(({digest, filter}) => filter === undefined && !isProtected.has(digest));
  const lastId = rows.rows.length;
  // A document of the image that is a file of the root file system, too, spoils what was begun without it.
  const isSpoilt = begun?.candidates.some(({digest}) => isProtected.has(digest)) ?? true;
  const {made, advance} = begun && !isSpoilt ? begun : beginFilters(open(), store, options);
  const [bundles, large] = await made;
  const bundled = applyBundles(bundles, rows);
  const small = skipCompression
    ? []
    : await compressResources(
        open().filter((row) => row.id <= lastId && !isLarge(row)),
        store,
        advance,
      );
  const compressed = applyCompressed([...large, ...small], rows);
  const sliced = skipSlice ? [] : await sliceResources(open(), rows, store);
  return {
    // A slice or a compressed form may be the same as another file.
    replaced: [...bundled, ...compressed, ...sliced].filter((hex) => rows.find(hex)?.filter !== undefined),
    bundled: bundled.length,
    compressed: compressed.length,
    sliced: sliced.length,
  };
}

function oldTables(index: ImageIndex): readonly Sha256Hex[] {
  return index.manifests
    .filter((one) => entryKind(one) === 'resource-table')
    .map(({digest}) => hexOf(digest));
}
