import type {ByteSource} from './byte-source.ts';

const sectorBytes = 512;

/** An entry of the partition table. */
export interface Partition {
  /** 1 to 4. */
  readonly number: number;
  /** 0x0c is FAT32, 0x83 Linux. */
  readonly type: number;
  readonly bootable: boolean;
  readonly startBytes: number;
  readonly sizeBytes: number;
}

export interface PartitionTable {
  readonly diskId: number;
  /** In the order of the table; empty entries are left out. */
  readonly partitions: readonly Partition[];
}

/** Reads a master boot record; undefined where there is none. Logical partitions are not looked at. */
export async function readPartitionTable(source: ByteSource): Promise<PartitionTable | undefined> {
  const sector = await source.read(0, sectorBytes);
  if (sector.length < sectorBytes || sector.readUInt16BE(510) !== 0x55aa) return undefined;
  const partitions: Partition[] = [];
  for (let index = 0; index < 4; index++) {
    const entry = sector.subarray(446 + index * 16, 462 + index * 16);
    const type = entry.readUInt8(4);
    const flag = entry.readUInt8(0);
    // A boot sector of a file system ends in 55 AA too, but has code where the table would be.
    if (flag !== 0 && flag !== 0x80) return undefined;
    const sectors = entry.readUInt32LE(12);
    if (type === 0 || sectors === 0) continue;
    partitions.push({
      number: index + 1,
      type,
      bootable: flag === 0x80,
      startBytes: entry.readUInt32LE(8) * sectorBytes,
      sizeBytes: sectors * sectorBytes,
    });
  }
  // Neither is there a table in a boot sector whose code happens to leave that place empty.
  if (partitions.length === 0) return undefined;
  return {diskId: sector.readUInt32LE(440), partitions};
}
