import {execFileSync} from 'node:child_process';
import {
  chmodSync,
  chownSync,
  mkdirSync,
  openSync,
  writeSync,
  closeSync,
  ftruncateSync,
  truncateSync,
} from 'node:fs';
import {readFile} from 'node:fs/promises';
import {join} from 'node:path';
import {describe, expect, it} from 'vitest';
import {buildOtaImage} from '../../../../../api/ota/image/index.ts';
import {makeTempFolder} from '../../temp-folder.ts';
import {makeTree} from './rootfs-tree.ts';

const mebibyte = 1024 * 1024;
const annotations = {
  'vnd.tier4.image.base-image': 'debian',
  'vnd.tier4.pilot-auto.platform.ecu.architecture': 'aarch64',
  'vnd.tier4.ota.release-key': 'dev',
};

/** The tree with all oddities, a file with holes, owners, attributes and devices. */
async function makeRich(folder: string): Promise<string> {
  const root = await makeTree(folder);
  mkdirSync(join(root, 'lost+found'), {mode: 0o700});
  const sparse = openSync(join(root, 'sparse'), 'wx');
  writeSync(sparse, 'in the middle', 3 * mebibyte);
  ftruncateSync(sparse, 6 * mebibyte);
  closeSync(sparse);
  chownSync(join(root, 'etc/65'), 1000, 100_000);
  chmodSync(join(root, 'etc/64'), 0o2640);
  execFileSync('mknod', [join(root, 'whiteout'), 'c', '0', '0']);
  execFileSync('mknod', [join(root, 'null'), 'c', '1', '3']);
  execFileSync('mkfifo', [join(root, 'pipe')]);
  // Short ones lie in the inode, long ones in a block of their own.
  const set = 'import os, sys\nos.setxattr(sys.argv[1], sys.argv[2], bytes(int(sys.argv[3])))';
  const attributes = [
    ['text', 'user.short', '5'],
    ['suid', 'user.long', '900'],
    ['etc', 'trusted.folder', '20'],
  ] as const;
  for (const [name, attribute, bytes] of attributes)
    execFileSync('python3', ['-c', set, join(root, name), attribute, bytes]);
  // Version 2, CAP_NET_RAW.
  const capability =
    'import os, sys\nos.setxattr(sys.argv[1], "security.capability", bytes.fromhex("0100000200200000000000000000000000000000"))';
  execFileSync('python3', ['-c', capability, join(root, 'etc/65')]);
  return root;
}

function makePartition(folder: string, root: string): string {
  const image = join(folder, 'partition.img');
  execFileSync('mke2fs', ['-q', '-t', 'ext4', '-d', root, image, '32M'], {
    env: {...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`},
  });
  return image;
}

/** A disk with an MBR whose only partition is the file system. */
function makeDisk(folder: string, partition: string): string {
  const disk = join(folder, 'disk.img');
  execFileSync('dd', ['if=' + partition, 'of=' + disk, 'bs=1M', 'seek=1', 'status=none']);
  truncateSync(disk, 33 * mebibyte);
  const table = Buffer.alloc(66);
  table.writeUInt8(0x83, 4);
  table.writeUInt32LE(2048, 8);
  table.writeUInt32LE((32 * mebibyte) / 512, 12);
  table.writeUInt16BE(0x55aa, 64);
  const file = openSync(disk, 'r+');
  writeSync(file, table, 0, table.length, 446);
  closeSync(file);
  return disk;
}

describe('a root file system', () => {
  it('gives the same artifact as a folder and as the image of a partition or a disk', async () => {
    const folder = await makeTempFolder();
    const root = await makeRich(folder);
    const partition = makePartition(folder, root);
    const build = async (rootfs: string) => {
      const output = join(folder, 'image.zip');
      const {dropped} = await buildOtaImage({
        rootfs,
        ecus: [{ecuId: 'main'}],
        annotations,
        output,
        created: 1,
        workers: 0,
      });
      const bytes = await readFile(output);
      execFileSync('rm', [output]);
      return {bytes, dropped: dropped.map(({path}) => path).sort()};
    };
    const fromFolder = await build(root);
    expect(fromFolder.dropped).toEqual(['/null', '/pipe']);
    for (const image of [partition, makeDisk(folder, partition)]) {
      const fromImage = await build(image);
      expect(fromImage.dropped).toEqual(fromFolder.dropped);
      expect(fromImage.bytes.equals(fromFolder.bytes)).toBe(true);
    }
  });
});
