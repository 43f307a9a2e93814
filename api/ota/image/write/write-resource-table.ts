import {FolderSource} from '../read/folder-source.ts';
import {ResourceTable} from '../read/resource-table.ts';
import type {Descriptor} from '../model/descriptor.ts';
import {digestFromHex} from '../model/digest.ts';
import {encodeFilter} from '../model/filter.ts';
import {entryKind, type ImageIndex} from '../model/image-index.ts';
import {mediaTypes} from '../model/media-types.ts';
import {resourceTableDdl} from '../model/resource-table.ts';
import type {BlobStore} from './blob-store.ts';
import type {ImageFolder} from './image-folder.ts';
import {ResourceRows} from './resource-rows.ts';
import {writeTable} from './write-table.ts';

/** The resources of the payloads that an image has so far. */
export async function readResourceRows(image: ImageFolder, index: ImageIndex): Promise<ResourceRows> {
  const descriptor = index.manifests.findLast((one) => entryKind(one) === 'resource-table');
  if (!descriptor) return new ResourceRows();
  await using source = await FolderSource.open(image.path);
  return new ResourceRows((await ResourceTable.open(source, descriptor)).rows);
}

/** Stores the resource table, compressed or not, and tells its place. */
export async function storeResourceTable(
  {rows}: ResourceRows,
  store: BlobStore,
  {isCompressed, tmpDir}: {readonly isCompressed: boolean; readonly tmpDir?: string | undefined},
): Promise<Descriptor> {
  const raw = await writeTable(
    {
      ddl: resourceTableDdl,
      inserts: [
        {
          sql: 'INSERT INTO rs_manifest (resource_id, digest, size, filter_applied, meta) VALUES (?, ?, ?, ?, NULL)',
          rows: rows.map(({id, digest, size, filter}) => [
            id,
            Buffer.from(digest, 'hex'),
            size,
            filter ? encodeFilter(filter) : null,
          ]),
        },
      ],
    },
    tmpDir,
  );
  const {hex, size} = isCompressed ? await store.storeCompressed(raw) : store.storeBytes(raw);
  return {
    size,
    digest: digestFromHex(hex),
    mediaType: isCompressed ? mediaTypes.resourceTableZstd : mediaTypes.resourceTable,
  };
}

/** The entries of an index with this resource table instead of the one before, at the end. */
export function withResourceTable(manifests: readonly Descriptor[], table: Descriptor): Descriptor[] {
  return [...manifests.filter((one) => entryKind(one) !== 'resource-table'), table];
}
