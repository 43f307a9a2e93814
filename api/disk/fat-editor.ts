import {FatFolder, recordBytes, type FatRecord, type RecordValues} from './fat-folder.ts';
import {readFatGeometry, type FatGeometry} from './fat-geometry.ts';
import {FatFullError, FatTable} from './fat-table.ts';
import {DamagedError} from './file-system.ts';
import type {PatchedSource} from './patched-source.ts';

/** 1980, before which FAT knows no time. */
const firstSecond = 315_532_800;
const lastSecond = 4_354_819_198;
/** A folder cannot have more records (Microsoft, as above, section 6.2). */
const mostFolderBytes = 65_536 * recordBytes;

interface OpenFolder {
  readonly folder: FatFolder;
  /** Empty for the root folder of FAT16, which lies outside the clusters. */
  readonly clusters: number[];
}

/**
 * Reads and writes files of a FAT16 or FAT32 file system inside a disk. All changes stay in the {@link PatchedSource};
 * what fails half-way has changed nothing that lasts. Call {@link flush} before taking the patches.
 */
export class FatEditor {
  readonly #disk: PatchedSource;
  readonly #start: number;
  readonly #geometry: FatGeometry;
  readonly #table: FatTable;

  private constructor(disk: PatchedSource, start: number, geometry: FatGeometry, table: FatTable) {
    this.#disk = disk;
    this.#start = start;
    this.#geometry = geometry;
    this.#table = table;
  }

  /**
   * @param start Where the file system begins, in bytes.
   * @returns undefined where there is no FAT file system.
   * @throws DamagedError
   */
  static async open(disk: PatchedSource, start: number): Promise<FatEditor | undefined> {
    const geometry = readFatGeometry(await disk.read(start, 512));
    if (geometry === undefined) return undefined;
    if (!geometry.isMirrored) throw new DamagedError('only one of its allocation tables is in use');
    const entries = Buffer.from(await disk.read(start + geometry.fatStart, geometry.fatBytes));
    return new FatEditor(disk, start, geometry, new FatTable(geometry, entries));
  }

  get freeBytes(): number {
    return this.#table.freeBytes;
  }

  /**
   * The content of a file.
   *
   * @param path Names separated by `/`, in any case.
   */
  async readFile(path: string): Promise<Buffer | undefined> {
    const {names, last} = splitPath(path);
    let folder = await this.#readRoot();
    for (const name of names) {
      const record = folder.folder.find(name);
      if (record?.isFolder !== true) return undefined;
      folder = await this.#readFolder(record);
    }
    const record = folder.folder.find(last);
    if (record === undefined || record.isFolder) return undefined;
    return record.sizeBytes === 0
      ? Buffer.alloc(0)
      : await this.#readClusters(this.#table.chain(record.firstCluster), record.sizeBytes);
  }

  /**
   * Makes a file or replaces its content; folders on the way are made.
   *
   * @param modifiedAt Seconds since 1970; without it the newest date of the root folder.
   * @throws FatFullError, DamagedError; NotAFileError when the path leads through a file or names a folder.
   */
  async writeFile(path: string, content: Buffer, modifiedAt?: number): Promise<void> {
    const {names, last} = splitPath(path);
    let folder = await this.#readRoot();
    const seconds = clampSeconds(modifiedAt ?? secondsOf(folder.folder.newestDate));
    for (const [depth, name] of names.entries()) {
      const record = folder.folder.find(name);
      if (record !== undefined && !record.isFolder)
        throw new NotAFileError(names.slice(0, depth + 1).join('/'), 'file');
      folder =
        record === undefined ? await this.#makeFolder(folder, name, seconds) : await this.#readFolder(record);
    }
    const record = folder.folder.find(last);
    if (record?.isFolder === true) throw new NotAFileError(path, 'folder');
    // Its own clusters may be taken again.
    if (record !== undefined && record.firstCluster !== 0)
      this.#table.free(this.#table.chain(record.firstCluster));
    const clusters = this.#table.allocate(Math.ceil(content.length / this.#geometry.clusterBytes));
    await this.#writeClusters(clusters, content);
    const values = {
      isFolder: false,
      firstCluster: clusters[0] ?? 0,
      sizeBytes: content.length,
      modifiedAt: seconds,
    };
    if (record === undefined) this.#add(folder, last, values);
    else folder.folder.replace(record, values);
    await this.#writeFolder(folder);
  }

  /** Puts the allocation table among the changes. */
  async flush(): Promise<void> {
    await this.#table.writeTo(this.#disk, this.#start);
  }

  async #makeFolder(parent: OpenFolder, name: string, modifiedAt: number): Promise<OpenFolder> {
    const clusters = this.#table.allocate(1);
    const firstCluster = clusters[0] ?? 0;
    const values = {isFolder: true, sizeBytes: 0, modifiedAt};
    const made = {folder: new FatFolder(Buffer.alloc(this.#geometry.clusterBytes)), clusters};
    // The root folder goes by the number 0, whichever cluster it has.
    const above = parent.clusters[0] === this.#geometry.rootCluster ? 0 : (parent.clusters[0] ?? 0);
    made.folder.addLink('.', {...values, firstCluster});
    made.folder.addLink('..', {...values, firstCluster: above});
    this.#add(parent, name, {...values, firstCluster});
    await this.#writeFolder(parent);
    await this.#writeFolder(made);
    return made;
  }

  #add(open: OpenFolder, name: string, values: RecordValues): void {
    const {clusterBytes} = this.#geometry;
    const missing = open.folder.missingBytesFor(name);
    if (missing > 0) {
      if (open.clusters.length === 0 || open.folder.bytes.length + missing > mostFolderBytes)
        throw new FatFullError(missing, 0);
      const more = this.#table.allocate(Math.ceil(missing / clusterBytes), open.clusters.at(-1));
      open.clusters.push(...more);
      open.folder.bytes = Buffer.concat([open.folder.bytes, Buffer.alloc(more.length * clusterBytes)]);
    }
    open.folder.add(name, values);
  }

  async #readRoot(): Promise<OpenFolder> {
    const {kind, rootStart, rootBytes, rootCluster} = this.#geometry;
    if (kind === 'FAT32') return this.#readFolderAt(rootCluster);
    const bytes = Buffer.from(await this.#disk.read(this.#start + rootStart, rootBytes));
    return {folder: new FatFolder(bytes), clusters: []};
  }

  async #readFolder({name, firstCluster}: FatRecord): Promise<OpenFolder> {
    if (firstCluster === 0) throw new DamagedError(`the folder ${name} has no clusters`);
    return this.#readFolderAt(firstCluster);
  }

  async #readFolderAt(firstCluster: number): Promise<OpenFolder> {
    const clusters = this.#table.chain(firstCluster);
    const bytes = await this.#readClusters(clusters, clusters.length * this.#geometry.clusterBytes);
    return {folder: new FatFolder(bytes), clusters};
  }

  async #writeFolder({folder, clusters}: OpenFolder): Promise<void> {
    if (clusters.length === 0) await this.#disk.write(this.#start + this.#geometry.rootStart, folder.bytes);
    else await this.#writeClusters(clusters, folder.bytes);
  }

  async #readClusters(clusters: readonly number[], sizeBytes: number): Promise<Buffer> {
    const {clusterBytes} = this.#geometry;
    if (sizeBytes > clusters.length * clusterBytes)
      throw new DamagedError('a file is longer than its clusters');
    const blocks: Buffer[] = [];
    for (const cluster of clusters) blocks.push(await this.#disk.read(this.#offsetOf(cluster), clusterBytes));
    return Buffer.concat(blocks).subarray(0, sizeBytes);
  }

  async #writeClusters(clusters: readonly number[], content: Buffer): Promise<void> {
    const {clusterBytes} = this.#geometry;
    for (const [index, cluster] of clusters.entries()) {
      const piece = content.subarray(index * clusterBytes, (index + 1) * clusterBytes);
      await this.#disk.write(this.#offsetOf(cluster), piece);
      // The rest of the last cluster must not show what lay there before.
      if (piece.length < clusterBytes)
        await this.#disk.write(
          this.#offsetOf(cluster) + piece.length,
          Buffer.alloc(clusterBytes - piece.length),
        );
    }
  }

  #offsetOf(cluster: number): number {
    const {dataStart, clusterBytes} = this.#geometry;
    return this.#start + dataStart + (cluster - 2) * clusterBytes;
  }
}

/** A path leads through a file, or names a folder where a file should go. */
export class NotAFileError extends Error {
  override readonly name = 'NotAFileError';

  constructor(path: string, what: 'file' | 'folder') {
    super(`${path} is a ${what} there`);
  }
}

function splitPath(path: string): {names: string[]; last: string} {
  const names = path.split('/').filter((name) => name !== '');
  const last = names.pop();
  if (last === undefined) throw new RangeError('a path without a name');
  return {names, last};
}

function secondsOf(date: number): number {
  const [day, time] = [Math.floor(date / 0x10000), date & 0xffff];
  if (day === 0) return firstSecond;
  const ms = Date.UTC(
    1980 + (day >> 9),
    ((day >> 5) & 15) - 1,
    day & 31,
    time >> 11,
    (time >> 5) & 63,
    (time & 31) * 2,
  );
  return ms / 1000;
}

function clampSeconds(seconds: number): number {
  return Math.min(lastSecond, Math.max(firstSecond, Math.floor(seconds)));
}
