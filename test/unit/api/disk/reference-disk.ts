import {Decoder} from '@toondepauw/node-zstd';
import {readFile} from 'node:fs/promises';
import {fileURLToPath} from 'node:url';

const folder = fileURLToPath(new URL('../../../fixtures/disk/', import.meta.url));

/** Where the boot partition of both disks begins. */
export const bootStart = 1024 * 1024;

/** A disk with a FAT and an ext4 partition, made by the tools that everybody uses (test/fixtures/disk/make.sh). */
export async function readReferenceDisk(name: 'fat16' | 'fat32'): Promise<Buffer> {
  return new Decoder().decode(await readFile(`${folder}${name}.img.zst`));
}

/** The block map that the build image made of it. */
export function readReferenceBmap(name: 'fat16' | 'fat32'): Promise<string> {
  return readFile(`${folder}${name}.img.bmap`, 'utf8');
}
