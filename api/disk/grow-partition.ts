import type {RandomFile} from './random-file.ts';

const sectorBytes = 512;
const headsPerCylinder = 255;
const sectorsPerTrack = 63;

/**
 * Writes the length of a partition into a master boot record.
 *
 * @param number 1 to 4.
 * @throws RangeError for more than 2 TiB, which it cannot hold.
 */
export async function setPartitionSize(disk: RandomFile, number: number, sizeBytes: number): Promise<void> {
  const sector = await disk.read(0, sectorBytes);
  const entry = sector.subarray(446 + (number - 1) * 16, 462 + (number - 1) * 16);
  const sectors = Math.floor(sizeBytes / sectorBytes);
  if (entry.readUInt32LE(8) + sectors > 2 ** 32) throw new RangeError('a partition that ends behind 2 TiB');
  entry.writeUInt32LE(sectors, 12);
  writeCylinders(entry, 5, entry.readUInt32LE(8) + sectors - 1);
  await disk.write(0, sector);
}

/** Cylinder, head and sector of old; the largest there can be for all that lies further. */
function writeCylinders(entry: Buffer, at: number, sector: number): void {
  const cylinder = Math.floor(sector / (headsPerCylinder * sectorsPerTrack));
  if (cylinder > 1023) {
    entry.writeUIntBE(0xfeffff, at, 3);
    return;
  }
  entry.writeUInt8(Math.floor(sector / sectorsPerTrack) % headsPerCylinder, at);
  entry.writeUInt8(((sector % sectorsPerTrack) + 1) | ((cylinder >> 8) << 6), at + 1);
  entry.writeUInt8(cylinder & 0xff, at + 2);
}
