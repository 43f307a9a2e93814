import {createReadStream} from 'node:fs';
import {mkdir, readFile, truncate, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {describe, expect, it, onTestFinished} from 'vitest';
import {parseBmap} from '../../api/disk/bmap.ts';
import {readReferenceBmap, readReferenceDisk} from '../unit/api/disk/reference-disk.ts';
import {runCli, startCli} from './cli.ts';
import {makeLoopDevice, system} from './loop-device.ts';

const MiB = 1024 ** 2;
const disk = await readReferenceDisk('fat32');
const bmap = await readReferenceBmap('fat32');

/** `hypriotkit flash` without questions, to devices that are not removable. */
const flashArguments = (image: string, device: string, ...more: string[]) => [
  'flash',
  image,
  device,
  '--allow-non-removable',
  '--yes',
  ...more,
];

/** An image with so much content that writing it takes a while. */
async function makeLargeImage(path: string, sizeBytes: number): Promise<void> {
  const head = Buffer.from(disk.subarray(0, 512));
  // One partition of an unknown kind, which is written whole.
  head.fill(0, 446, 510);
  head.writeUInt8(0x7f, 446 + 4);
  head.writeUInt32LE(1, 446 + 8);
  head.writeUInt32LE(sizeBytes / 512 - 1, 446 + 12);
  await writeFile(path, head);
  await truncate(path, sizeBytes);
}

describe('flash to a block device', () => {
  it('writes what is mapped, verifies it, and leaves the rest of the card as it is', async () => {
    const {path, file, folder} = await makeLoopDevice(64 * MiB);
    await writeFile(file, Buffer.alloc(64 * MiB, 0xaa), {flag: 'r+'});
    const image = join(folder, 'card.img');
    await writeFile(image, disk);
    await writeFile(`${image}.bmap`, bmap);
    const {code, stdout, stderr} = await runCli(flashArguments(image, path));
    expect([code, stdout]).toEqual([0, `${path}\n`]);
    expect(stderr).toMatch(/wrote 1\.7 MiB[^]*verified 1\.7 MiB/);
    const expected = Buffer.alloc(64 * MiB, 0xaa);
    for (const {start, end} of parseBmap(bmap).ranges) disk.copy(expected, start, start, end);
    expect((await readFile(file)).equals(expected)).toBe(true);
    // Not even what was there in the unused parts of its inode tables does harm.
    expect(await system('e2fsck', '-fn', `${file}?offset=${8960 * 4096}`)).toContain(' files ');
  });

  it('needs to be allowed for one that is not removable', async () => {
    const {path, file, folder} = await makeLoopDevice(64 * MiB);
    const image = join(folder, 'card.img');
    await writeFile(image, disk);
    const {code, stderr} = await runCli(['flash', image, path, '--yes']);
    expect(code).toBe(2);
    expect(stderr).toContain(`${path} is not removable`);
    expect(stderr).toContain('--allow-non-removable');
    expect((await readFile(file)).every((byte) => byte === 0)).toBe(true);
  });

  it('asks first, and writes nothing where nobody can answer', async () => {
    const {path, file, folder} = await makeLoopDevice(64 * MiB);
    const image = join(folder, 'card.img');
    await writeFile(image, disk);
    const {code, stderr} = await runCli(['flash', image, path, '--allow-non-removable']);
    expect(code).toBe(2);
    expect(stderr).toContain(`everything on ${path}, 64.0 MiB will be lost`);
    expect(stderr).toContain('--yes');
    expect((await readFile(file)).every((byte) => byte === 0)).toBe(true);
  });

  it('refuses one that is too small before anything is written', async () => {
    const {path, file, folder} = await makeLoopDevice(16 * MiB);
    const image = join(folder, 'card.img');
    await writeFile(image, disk);
    const {code, stderr} = await runCli(flashArguments(image, path));
    expect(code).toBe(2);
    expect(stderr).toContain(`${path} is too small`);
    expect((await readFile(file)).every((byte) => byte === 0)).toBe(true);
  });

  it('unmounts what is mounted, unless something uses it', async () => {
    const {path, folder} = await makeLoopDevice(64 * MiB);
    const image = join(folder, 'card.img');
    const mountPoint = join(folder, 'mounted');
    await writeFile(image, disk);
    await mkdir(mountPoint);
    await system('mkfs.ext4', '-q', path);
    await system('mount', path, mountPoint);
    onTestFinished(() =>
      system('umount', mountPoint).then(
        () => undefined,
        () => undefined,
      ),
    );
    await writeFile(join(mountPoint, 'open'), 'x');
    const user = createReadStream(join(mountPoint, 'open'));
    await new Promise((resolve) => user.once('open', resolve));
    const refused = await runCli(flashArguments(image, path));
    expect(refused.code).toBe(2);
    expect(refused.stderr).toContain(`${path} is mounted at ${mountPoint}`);
    expect(await readFile(join(mountPoint, 'open'), 'utf8')).toBe('x');
    await new Promise((resolve) => user.close(resolve));
    expect((await runCli(flashArguments(image, path))).code).toBe(0);
    expect(await readFile('/proc/mounts', 'utf8')).not.toContain(mountPoint);
  });

  it('never writes to the disk of the running system', async () => {
    const tree = JSON.parse(await system('lsblk', '--json', '--output', 'PATH,TYPE,MOUNTPOINTS')) as {
      blockdevices: {
        path: string;
        type: string;
        mountpoints: (string | null)[];
        children?: {mountpoints: (string | null)[]}[];
      }[];
    };
    const {path = '/dev/absent'} =
      tree.blockdevices.find((device) =>
        [device, ...(device.children ?? [])].some(({mountpoints}) => mountpoints.includes('/')),
      ) ?? {};
    const {folder} = await makeLoopDevice(16 * MiB);
    const image = join(folder, 'card.img');
    await writeFile(image, disk);
    const {code, stderr} = await runCli(flashArguments(image, path));
    expect(code).toBe(2);
    expect(stderr).toMatch(path === '/dev/absent' ? /no device/ : /holds the running system/);
  });

  it('says what the card is worth when it vanishes', async () => {
    const {path, folder, pull} = await makeLoopDevice(1024 * MiB);
    const image = join(folder, 'large.img');
    await makeLargeImage(image, 1024 * MiB);
    const run = startCli(flashArguments(image, path, '--json'));
    await run.event('some of it is written', (event) => (event.type as string) === 'flash-progress');
    await pull();
    const {code, stderr} = await run.exited;
    expect(code).toBe(1);
    expect(stderr).toContain(`${path} has vanished while it was written`);
    expect(stderr).toContain('nothing on it can be used');
  });

  it('says so after Ctrl-C, too', async () => {
    const {path, folder} = await makeLoopDevice(1024 * MiB);
    const image = join(folder, 'large.img');
    await makeLargeImage(image, 1024 * MiB);
    const run = startCli(flashArguments(image, path, '--json'));
    await run.event('some of it is written', (event) => (event.type as string) === 'flash-progress');
    run.kill('SIGINT');
    const {code, stderr} = await run.exited;
    expect(code).toBe(130);
    expect(stderr).toContain('interrupted');
    expect(stderr).toContain(`${path} is incomplete: nothing on it can be used. Run the same command again`);
  });
});
