import zstd from '@toondepauw/node-zstd';
import sqlite from 'node-sqlite3-wasm';
import {mkdirSync, readdirSync, readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {crc32} from 'node:zlib';
import {keys} from '../../../../../api/ota/image/model/annotation-keys.ts';
import type {Descriptor} from '../../../../../api/ota/image/model/descriptor.ts';
import {digestFromHex, sha256Hex} from '../../../../../api/ota/image/model/digest.ts';
import {fileTableDdl} from '../../../../../api/ota/image/model/file-table.ts';
import {encodeFilter, type Filter} from '../../../../../api/ota/image/model/filter.ts';
import {ImageConfig} from '../../../../../api/ota/image/model/image-config.ts';
import {ImageIndex} from '../../../../../api/ota/image/model/image-index.ts';
import {ImageManifest} from '../../../../../api/ota/image/model/image-manifest.ts';
import {writeDocument} from '../../../../../api/ota/image/model/json-document.ts';
import {ociLayoutText} from '../../../../../api/ota/image/model/layout.ts';
import {artifactTypes, mediaTypes} from '../../../../../api/ota/image/model/media-types.ts';
import {resourceTableDdl} from '../../../../../api/ota/image/model/resource-table.ts';
import {encodeXattrs} from '../../../../../api/ota/image/model/xattrs.ts';

/** The artifact that the reference made, its CA folder, and the tree that went in. */
export const sample = fileURLToPath(new URL('../../../../fixtures/ota-v1/', import.meta.url));

/** A resource of a test image: its bytes, or what the table shall claim of it. */
export interface TestResource {
  readonly digest: string;
  readonly size: number;
  readonly filter?: Filter;
}

/** A path of a test image; a target makes a symbolic link, `resource` is an index into the file table's resources. */
export interface TestEntry {
  readonly path: string;
  readonly mode?: number;
  readonly target?: string;
  readonly resource?: number;
  readonly inode?: number;
  readonly links?: number;
  readonly xattrs?: ReadonlyMap<string, Uint8Array>;
}

/** What a test image shall be; nothing in it is checked. */
export interface TestImage {
  readonly blobs?: readonly Uint8Array[];
  readonly resources?: readonly TestResource[];
  readonly fileResources?: readonly {digest: string; size: number; contents?: Uint8Array}[];
  readonly entries?: readonly TestEntry[];
  /** Instead of the tables that the other members make. */
  readonly fileTable?: Uint8Array;
  readonly resourceTable?: Uint8Array;
  readonly manifests?: readonly Descriptor[];
}

export function compress(bytes: Uint8Array): Buffer {
  return new zstd.Encoder(3).encodeSync(Buffer.from(bytes));
}

export function resourceOf(bytes: Uint8Array, filter?: Filter): TestResource {
  return {digest: sha256Hex(bytes), size: bytes.length, ...(filter && {filter})};
}

/** Writes an image folder, unsigned, with one payload for the ECU `main`. */
export function writeImage(folder: string, image: TestImage): void {
  const blobs = join(folder, 'blobs/sha256');
  mkdirSync(blobs, {recursive: true});
  const store = (bytes: Uint8Array) => {
    const hex = sha256Hex(bytes);
    writeFileSync(join(blobs, hex), bytes);
    return {size: bytes.length, digest: digestFromHex(hex)};
  };
  image.blobs?.forEach(store);
  const scratch = join(folder, 'blobs');
  const fileTable = {
    ...store(compress(image.fileTable ?? makeFileTable(scratch, image))),
    mediaType: mediaTypes.fileTableZstd,
  };
  const resourceTable = {
    ...store(compress(image.resourceTable ?? makeResourceTable(scratch, image.resources ?? []))),
    mediaType: mediaTypes.resourceTableZstd,
  };
  const config = store(
    writeDocument(ImageConfig, {
      resource_digest_alg: 'sha256',
      architecture: 'aarch64',
      file_table: fileTable,
      labels: {
        [keys.baseImage]: 'test',
        [keys.blobsCount]: 0,
        [keys.blobsSize]: 0,
        [keys.regularFilesCount]: 0,
        [keys.nonRegularFilesCount]: 0,
        [keys.dirsCount]: 0,
        [keys.uniqueFilesCount]: 0,
        [keys.uniqueFilesSize]: 0,
      },
      schemaVersion: 1,
      mediaType: mediaTypes.imageConfig,
    }),
  );
  const manifest = store(
    writeDocument(ImageManifest, {
      config: {...config, mediaType: mediaTypes.imageConfig},
      layers: [fileTable],
      annotations: {[keys.ecu]: 'main', [keys.releaseKey]: 'dev', [keys.ecuArchitecture]: 'aarch64'},
      schemaVersion: 2,
      mediaType: mediaTypes.imageManifest,
    }),
  );
  const payload = {
    ...manifest,
    annotations: {[keys.ecu]: 'main', [keys.releaseKey]: 'dev'},
    mediaType: mediaTypes.imageManifest,
    artifactType: artifactTypes.fileBasedImage,
  };
  writeFileSync(join(folder, 'oci-layout'), ociLayoutText);
  writeIndex(folder, [payload, ...(image.manifests ?? []), resourceTable], {[keys.createdAt]: 1});
}

export function writeIndex(
  folder: string,
  manifests: readonly Descriptor[],
  annotations: Partial<ImageIndex['annotations']> = {},
): void {
  const index = writeDocument(ImageIndex, {
    manifests: [...manifests],
    annotations: {[keys.builderVersion]: 'test', ...annotations},
    schemaVersion: 2,
    mediaType: mediaTypes.imageIndex,
  });
  writeFileSync(join(folder, 'index.json'), index);
}

function makeFileTable(scratch: string, {entries = [], fileResources = []}: TestImage): Buffer {
  return makeDatabase(scratch, fileTableDdl, (database) => {
    fileResources.forEach(({digest, size, contents}, id) =>
      database.run('INSERT INTO ft_resource VALUES (?, ?, ?, ?)', [
        id,
        Buffer.from(digest, 'hex'),
        size,
        contents ?? null,
      ]),
    );
    const all: readonly TestEntry[] = [{path: '/', mode: 0o40755}, ...entries];
    all.forEach(({path, mode = 0o100644, target, resource, inode, links, xattrs}, index) => {
      const id = inode ?? index + 1;
      const row = [
        id,
        0,
        0,
        target === undefined ? mode : 0o120777,
        links ?? null,
        encodeXattrs(xattrs ?? new Map()),
      ];
      database.run('INSERT OR IGNORE INTO ft_inode VALUES (?, ?, ?, ?, ?, ?)', row);
      if (target !== undefined) {
        database.run('INSERT INTO ft_non_regular VALUES (?, ?, ?)', [path, id, Buffer.from(target)]);
      } else if (resource === undefined) {
        database.run('INSERT INTO ft_dir VALUES (?, ?)', [path, id]);
      } else {
        database.run('INSERT INTO ft_regular VALUES (?, ?, ?)', [path, id, resource]);
      }
    });
  });
}

function makeResourceTable(scratch: string, resources: readonly TestResource[]): Buffer {
  return makeDatabase(scratch, resourceTableDdl, (database) => {
    resources.forEach(({digest, size, filter}, index) =>
      database.run('INSERT INTO rs_manifest VALUES (?, ?, ?, ?, NULL)', [
        index + 1,
        Buffer.from(digest, 'hex'),
        size,
        filter ? encodeFilter(filter) : null,
      ]),
    );
  });
}

/** The bytes of a database that `fill` made. */
export function makeDatabase(
  scratch: string,
  ddl: readonly string[],
  fill: (database: InstanceType<typeof sqlite.Database>) => void,
): Buffer {
  const file = join(scratch, 'scratch.sqlite3');
  writeFileSync(file, '');
  const database = new sqlite.Database(file);
  for (const statement of ddl) database.exec(statement);
  database.exec('BEGIN');
  fill(database);
  database.exec('COMMIT');
  database.close();
  return readFileSync(file);
}

/** A file of a ZIP, and what its records shall claim. */
export interface TestZipEntry {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly crc?: number;
  readonly offset?: number;
  readonly method?: number;
  readonly localName?: string;
}

/** A stored ZIP archive of these entries; nothing in it is checked. */
export function makeZip(entries: readonly TestZipEntry[]): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let at = 0;
  for (const {name, bytes, crc = crc32(bytes), offset = at, method = 0, localName = name} of entries) {
    const local = Buffer.alloc(30);
    local.writeUInt32LE(0x04034b50, 0);
    local.writeUInt16LE(20, 4);
    local.writeUInt16LE(method, 8);
    local.writeUInt32LE(crc, 14);
    local.writeUInt32LE(bytes.length, 18);
    local.writeUInt32LE(bytes.length, 22);
    local.writeUInt16LE(Buffer.byteLength(localName), 26);
    const central = Buffer.alloc(46);
    central.writeUInt32LE(0x02014b50, 0);
    local.copy(central, 6, 4, 26);
    central.writeUInt16LE(Buffer.byteLength(name), 28);
    central.writeUInt32LE(offset, 42);
    parts.push(local, Buffer.from(localName), Buffer.from(bytes));
    directory.push(central, Buffer.from(name));
    at += 30 + Buffer.byteLength(localName) + bytes.length;
  }
  const end = Buffer.alloc(22);
  const central = Buffer.concat(directory);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(entries.length, 8);
  end.writeUInt16LE(entries.length, 10);
  end.writeUInt32LE(central.length, 12);
  end.writeUInt32LE(at, 16);
  return Buffer.concat([...parts, central, end]);
}

/** The artifact of an image folder. */
export function zipFolder(folder: string): Buffer {
  const blobs = readdirSync(join(folder, 'blobs/sha256')).map((name) => `blobs/sha256/${name}`);
  const tops = readdirSync(folder).filter((name) => name !== 'blobs');
  return makeZip([...tops, ...blobs].map((name) => ({name, bytes: readFileSync(join(folder, name))})));
}

/** Everything below a folder, sorted; what a test compares to see that nothing was left. */
export function listTree(folder: string): string[] {
  return (readdirSync(folder, {recursive: true}) as string[]).sort();
}
