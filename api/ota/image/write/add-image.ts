import {readFile} from 'node:fs/promises';
import {OtaError} from '../../ota-error.ts';
import {openRootfs} from '../../rootfs/open-rootfs.ts';
import type {Rootfs, RootfsEntry} from '../../rootfs/rootfs.ts';
import {keys} from '../model/annotation-keys.ts';
import {digestFromHex, hexOf, type Sha256Hex} from '../model/digest.ts';
import {entryKind, PayloadAnnotations, type ImageIndex, type ReleaseKey} from '../model/image-index.ts';
import {artifactTypes, mediaTypes} from '../model/media-types.ts';
import {SysConfig} from '../model/sys-config.ts';
import {parseAnnotations, type AnnotationMap} from './annotation-file.ts';
import {BlobStore} from './blob-store.ts';
import type {KnownContent, StoredBlob} from './blob-tasks.ts';
import {fileTableContent, type FileResource, type FileTableCounts} from './file-table-content.ts';
import {hashRootfs} from './hash-rootfs.ts';
import {ImageFolder, requireNotFinalized} from './image-folder.ts';
import {describePayload} from './payload-annotations.ts';
import {writeConfig, writeManifest} from './payload-documents.ts';
import {progressOf, type WorkOptions} from './progress.ts';
import type {ResourceRows} from './resource-rows.ts';
import {readResourceRows, storeResourceTable, withResourceTable} from './write-resource-table.ts';
import {writeTable} from './write-table.ts';

/** An ECU that gets the root file system, and its sys config. */
export interface EcuTarget {
  readonly ecuId: string;
  /** A YAML file. */
  readonly sysConfigFile?: string | undefined;
}

export interface AddImageOptions extends WorkOptions {
  readonly image: string;
  /** A folder, a tar archive, or the image of an ext4 partition or of a disk. */
  readonly rootfs: string;
  readonly annotations: AnnotationMap;
  /** Several ECUs share the file table, and have a manifest and a config each. */
  readonly ecus: readonly EcuTarget[];
  /** Default: that of the annotations. */
  readonly releaseKey?: ReleaseKey | undefined;
  /** Unix seconds, for `created` where the annotations have none; default: now. */
  readonly created?: number | undefined;
}

export interface AddImageResult extends FileTableCounts {
  readonly ecuIds: readonly string[];
  readonly releaseKey: ReleaseKey;
  /** What an OTA image cannot hold. */
  readonly dropped: Rootfs['dropped'];
}

/**
 * Adds a root file system to an image that is not finalized. The image changes at once, at the end; after a failure it is
 * what it was.
 * @throws {OtaError} NOT_AN_IMAGE, ALREADY_FINALIZED, PAYLOAD_DUPLICATE, INPUT_INVALID, ROOTFS_INVALID, NAME_NOT_UTF8
 */
export async function addImage(options: AddImageOptions): Promise<AddImageResult> {
  const image = await ImageFolder.open(options.image);
  await using rootfs = await openRootfs(options.rootfs, options);
  await using store = new BlobStore(image.blobsPath, options);
  const result = await addPayload(image, store, rootfs, options);
  store.commit();
  return result;
}

/**
 * {@link addImage}; with `onDeferred` the contents of files are not stored yet, and `rootfs` must stay. It is told their rows
 * while the tables are still to be written.
 */
export async function addPayload(
  image: ImageFolder,
  store: BlobStore,
  rootfs: Rootfs,
  options: Omit<AddImageOptions, 'image' | 'rootfs'> & {
    readonly onDeferred?: ((rows: ResourceRows) => void) | undefined;
    readonly skipCompression?: boolean | undefined;
  },
): Promise<AddImageResult> {
  const index = await image.readIndex();
  requireNotFinalized(index);
  if (options.ecus.length === 0) throw new OtaError('INPUT_INVALID', 'An ECU id is needed');
  const sysConfigs = await Promise.all(options.ecus.map(({sysConfigFile}) => readSysConfig(sysConfigFile)));
  const payload = describePayload(options.annotations, options.releaseKey, rootfs);
  requireUnique(index, options.ecus, payload.releaseKey);
  const resourceOf = await hashRootfs(rootfs, store, {
    ...options,
    isPressing: options.onDeferred !== undefined && options.skipCompression !== true,
  });
  const {content, counts} = fileTableContent(rootfs.entries, resourceOf);
  const rows = await readResourceRows(image, index);
  const contents = newContents(rootfs, resourceOf, rows);
  if (options.onDeferred) {
    for (const known of contents) store.defer(known);
    options.onDeferred(rows);
  } else {
    await storeContents(contents, store, options);
  }
  const table = await store.storeCompressed(await writeTable(content, options.tmpDir));
  const fileTable = describe(table, mediaTypes.fileTableZstd);
  const manifests = options.ecus.map(({ecuId}, position) => {
    const sysConfig = sysConfigs[position];
    const config = writeConfig(payload, counts, options.created, {
      file_table: fileTable,
      ...(sysConfig && {sys_config: describe(store.storeBytes(sysConfig), mediaTypes.sysConfig)}),
    });
    const configDescriptor = describe(store.storeBytes(config), mediaTypes.imageConfig);
    const manifest = store.storeBytes(writeManifest(payload, ecuId, configDescriptor, fileTable));
    return {
      ...describe(manifest, mediaTypes.imageManifest),
      annotations: {[keys.ecu]: ecuId, [keys.releaseKey]: payload.releaseKey},
      artifactType: artifactTypes.fileBasedImage,
    };
  });
  const resources = await storeResourceTable(rows, store, {isCompressed: false, tmpDir: options.tmpDir});
  const old = index.manifests.find((one) => entryKind(one) === 'resource-table');
  await image.writeIndex({
    ...index,
    manifests: withResourceTable([...index.manifests, ...manifests], resources),
  });
  if (old && old.digest !== resources.digest) store.remove(hexOf(old.digest));
  return {
    ...counts,
    ecuIds: options.ecus.map(({ecuId}) => ecuId),
    releaseKey: payload.releaseKey,
    dropped: rootfs.dropped,
  };
}

/** Adds the contents of a root file system to the resources, and tells where each is. */
function newContents(
  rootfs: Rootfs,
  resourceOf: (entry: RootfsEntry) => FileResource,
  rows: ResourceRows,
): readonly KnownContent[] {
  const contents = new Map<Sha256Hex, KnownContent>();
  for (const entry of rootfs.entries) {
    const {content} = entry;
    if (!content || content.sizeBytes === 0) continue;
    const {hex, size, contents: isInline} = resourceOf(entry);
    if (isInline !== undefined) continue;
    rows.add(hex, size);
    if (!contents.has(hex)) contents.set(hex, {content, hex});
  }
  return [...contents.values()];
}

async function storeContents(
  contents: readonly KnownContent[],
  store: BlobStore,
  {onProgress}: WorkOptions,
): Promise<void> {
  const total = contents.reduce((sum, {content}) => sum + content.sizeBytes, 0);
  const advance = progressOf('store', total, onProgress);
  await Promise.all(
    contents.map(async (known) => {
      await store.store(known);
      advance(known.content.sizeBytes);
    }),
  );
}

/** @throws {OtaError} PAYLOAD_DUPLICATE */
function requireUnique(index: ImageIndex, ecus: readonly EcuTarget[], releaseKey: ReleaseKey): void {
  const taken = new Set(
    index.manifests
      .filter((one) => entryKind(one) === 'payload')
      .map(({annotations}) => PayloadAnnotations.parse(annotations ?? {}))
      .filter((one) => one[keys.releaseKey] === releaseKey)
      .map((one) => one[keys.ecu]),
  );
  for (const {ecuId} of ecus) {
    if (taken.has(ecuId))
      throw new OtaError(
        'PAYLOAD_DUPLICATE',
        `The image has a payload for ecu_id="${ecuId}" with the release key "${releaseKey}" already`,
      );
    taken.add(ecuId);
  }
}

/** @throws {OtaError} INPUT_INVALID */
async function readSysConfig(path: string | undefined): Promise<Buffer | undefined> {
  if (path === undefined) return undefined;
  const bytes = await readFile(path).catch((cause: unknown) => {
    throw new OtaError(
      'INPUT_INVALID',
      `The sys config ${path} cannot be read: ${(cause as Error).message}`,
      {cause},
    );
  });
  const result = SysConfig.safeParse(parseAnnotations(bytes.toString('utf8'), path));
  if (result.success) return bytes;
  const [issue] = result.error.issues;
  throw new OtaError(
    'INPUT_INVALID',
    `The sys config ${path} is not valid: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}`,
  );
}

function describe<T extends string>({hex, size}: StoredBlob, mediaType: T) {
  return {size, digest: digestFromHex(hex), mediaType};
}
