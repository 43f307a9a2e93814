import type {FatGeometry} from './fat-geometry.ts';
import {DamagedError} from './file-system.ts';
import type {PatchedSource} from './patched-source.ts';

const fsInfoBytes = 512;

/** A file system has no room for what should go into it. Nothing of it has been written. */
export class FatFullError extends Error {
  override readonly name = 'FatFullError';
  readonly neededBytes: number;
  readonly freeBytes: number;

  constructor(neededBytes: number, freeBytes: number) {
    super(`${neededBytes} bytes are needed, ${freeBytes} are free`);
    this.neededBytes = neededBytes;
    this.freeBytes = freeBytes;
  }
}

/** The allocation table of a FAT file system in memory: which cluster follows which, and which are free. */
export class FatTable {
  readonly #geometry: FatGeometry;
  readonly #entries: Buffer;
  readonly #entryBytes: 2 | 4;
  /** One more than the number of the last cluster. */
  readonly #end: number;
  readonly #dirtySectors = new Set<number>();
  #freeCount = 0;

  constructor(geometry: FatGeometry, entries: Buffer) {
    this.#geometry = geometry;
    this.#entries = entries;
    this.#entryBytes = geometry.kind === 'FAT32' ? 4 : 2;
    this.#end = geometry.clusterCount + 2;
    if (this.#end * this.#entryBytes > entries.length)
      throw new DamagedError('the allocation table is smaller than the number of its clusters');
    for (let cluster = 2; cluster < this.#end; cluster++) if (this.#get(cluster) === 0) this.#freeCount++;
  }

  get freeBytes(): number {
    return this.#freeCount * this.#geometry.clusterBytes;
  }

  /** The clusters of a file or folder in their order. */
  chain(first: number): number[] {
    const clusters: number[] = [];
    const last = this.#entryBytes === 4 ? 0x0ffffff8 : 0xfff8;
    for (let cluster = first; cluster < last; cluster = this.#get(cluster)) {
      if (cluster < 2 || cluster >= this.#end || clusters.length > this.#geometry.clusterCount)
        throw new DamagedError('a chain of clusters without end');
      clusters.push(cluster);
    }
    return clusters;
  }

  /**
   * A new chain, as far to the front as there is room; behind `after` when that is the last one of a chain.
   *
   * @throws FatFullError
   */
  allocate(count: number, after?: number): number[] {
    if (count > this.#freeCount) throw new FatFullError(count * this.#geometry.clusterBytes, this.freeBytes);
    const clusters: number[] = [];
    for (let cluster = 2; clusters.length < count; cluster++)
      if (this.#get(cluster) === 0) clusters.push(cluster);
    for (const [index, cluster] of clusters.entries()) this.#set(cluster, clusters[index + 1] ?? 0x0fffffff);
    const [first] = clusters;
    if (after !== undefined && first !== undefined) this.#set(after, first);
    this.#freeCount -= count;
    return clusters;
  }

  free(clusters: readonly number[]): void {
    for (const cluster of clusters) this.#set(cluster, 0);
    this.#freeCount += clusters.length;
  }

  /** Writes what has changed into every copy of the table, and the count of free clusters. */
  async writeTo(disk: PatchedSource, start: number): Promise<void> {
    const {fatStart, fatBytes, fatCount, sectorBytes, fsInfoStart} = this.#geometry;
    for (const sector of [...this.#dirtySectors].sort((a, b) => a - b)) {
      const bytes = this.#entries.subarray(sector * sectorBytes, (sector + 1) * sectorBytes);
      for (let copy = 0; copy < fatCount; copy++)
        await disk.write(start + fatStart + copy * fatBytes + sector * sectorBytes, bytes);
    }
    if (fsInfoStart === undefined || this.#dirtySectors.size === 0) return;
    const info = Buffer.from(await disk.read(start + fsInfoStart, fsInfoBytes));
    if (info.readUInt32LE(0) !== 0x41615252 || info.readUInt32LE(484) !== 0x61417272) return;
    info.writeUInt32LE(this.#freeCount, 488);
    // Where to look for a free cluster: "unknown" is always right.
    info.writeUInt32LE(0xffffffff, 492);
    await disk.write(start + fsInfoStart, info);
  }

  #get(cluster: number): number {
    return this.#entryBytes === 4
      ? this.#entries.readUInt32LE(cluster * 4) & 0x0fffffff
      : this.#entries.readUInt16LE(cluster * 2);
  }

  #set(cluster: number, value: number): void {
    const at = cluster * this.#entryBytes;
    // The upper four bits are reserved and stay as they are.
    if (this.#entryBytes === 4)
      this.#entries.writeUInt32LE(((this.#entries.readUInt32LE(at) & 0xf0000000) | value) >>> 0, at);
    else this.#entries.writeUInt16LE(value & 0xffff, at);
    this.#dirtySectors.add(Math.floor(at / this.#geometry.sectorBytes));
  }
}
