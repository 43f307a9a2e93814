/** Where the parts of a FAT file system lie, in bytes from its start (Microsoft, "FAT32 File System Specification"). */
export interface FatGeometry {
  readonly kind: 'FAT16' | 'FAT32';
  readonly sectorBytes: number;
  readonly clusterBytes: number;
  readonly fatStart: number;
  readonly fatBytes: number;
  readonly fatCount: number;
  /** Of FAT16, which keeps the root folder apart from the clusters. */
  readonly rootStart: number;
  readonly rootBytes: number;
  /** Of FAT32. */
  readonly rootCluster: number;
  /** Where FAT32 keeps its count of free clusters. */
  readonly fsInfoStart: number | undefined;
  /** False where only one table is in use, and the others are not kept up to date. */
  readonly isMirrored: boolean;
  readonly dataStart: number;
  readonly clusterCount: number;
}

/** Reads the first 512 bytes of a FAT16 or FAT32 file system; undefined where there is none. */
export function readFatGeometry(boot: Buffer): FatGeometry | undefined {
  if (boot.length < 512 || boot.readUInt16BE(510) !== 0x55aa) return undefined;
  const sector = boot.readUInt16LE(11);
  const perCluster = boot.readUInt8(13);
  const fatCount = boot.readUInt8(16);
  if (![512, 1024, 2048, 4096].includes(sector) || perCluster === 0 || fatCount === 0) return undefined;
  const smallFat = boot.readUInt16LE(22);
  const isFat32 = smallFat === 0;
  const fatBytes = (smallFat || boot.readUInt32LE(36)) * sector;
  const fatStart = boot.readUInt16LE(14) * sector;
  const rootStart = fatStart + fatCount * fatBytes;
  const rootBytes = Math.ceil((boot.readUInt16LE(17) * 32) / sector) * sector;
  const dataStart = rootStart + rootBytes;
  const totalBytes = (boot.readUInt16LE(19) || boot.readUInt32LE(32)) * sector;
  const clusterCount = Math.floor((totalBytes - dataStart) / (perCluster * sector));
  if (fatBytes === 0 || clusterCount <= 0) return undefined;
  // FAT12 has 12-bit entries, and no Raspberry Pi uses it.
  if (!isFat32 && clusterCount < 4085) return undefined;
  const fsInfo = isFat32 ? boot.readUInt16LE(48) : 0;
  return {
    kind: isFat32 ? 'FAT32' : 'FAT16',
    sectorBytes: sector,
    clusterBytes: perCluster * sector,
    fatStart,
    fatBytes,
    fatCount,
    rootStart,
    rootBytes,
    rootCluster: isFat32 ? boot.readUInt32LE(44) : 0,
    fsInfoStart:
      fsInfo === 0 || fsInfo === 0xffff || fsInfo * sector >= fatStart ? undefined : fsInfo * sector,
    isMirrored: !isFat32 || (boot.readUInt16LE(40) & 0x80) === 0,
    dataStart,
    clusterCount,
  };
}
