import {readFileSync} from 'node:fs';
import {basename} from 'node:path';
import {PipelineError} from '../errors.ts';
import {findDiskOf, parseDevices, type BlockDevice} from './block-device.ts';
import {runProgram} from '../run-program.ts';

const columns = ['PATH', 'TYPE', 'SIZE', 'MODEL', 'VENDOR', 'TRAN', 'RM', 'HOTPLUG', 'RO', 'LABEL'];

/**
 * The disks of this machine, with what speaks against writing to each.
 *
 * @example
 * const cards = (await listDevices()).filter(({isRemovable, refusal}) => isRemovable && refusal === undefined);
 * @throws PipelineError `DEVICE_UNUSABLE` where lsblk is not available (it is on every Linux).
 */
export async function listDevices(): Promise<readonly BlockDevice[]> {
  return parseDevices(await readListing(), isCard);
}

/** The disk that holds the partition `path`; undefined when it is not a partition. */
export async function findDisk(path: string): Promise<string | undefined> {
  return findDiskOf(await readListing(), path);
}

async function readListing(): Promise<string> {
  // lsblk before 2.37 knows one mount point of each device only.
  for (const mounts of ['MOUNTPOINTS', 'MOUNTPOINT']) {
    const output = [...columns, mounts].join(',');
    const {status, stdout, stderr} = await runProgram('lsblk', ['--json', '--bytes', '--output', output]);
    if (status === 0) return stdout;
    // No block device at all, as in some containers.
    if (stdout === '' && stderr === '') return '{"blockdevices": []}';
    if (/unknown column/.test(stderr)) continue;
    throw new PipelineError(
      'DEVICE_UNUSABLE',
      'the disks of this machine cannot be listed: lsblk does not work',
      {
        hint:
          status === 'ENOENT'
            ? 'Writing to a device needs Linux with util-linux; elsewhere, write to a file and use a tool of the system.'
            : stderr.trim(),
      },
    );
  }
  throw new PipelineError('DEVICE_UNUSABLE', 'lsblk of this machine is too old (before util-linux 2.33)');
}

/** False for memory that is soldered in (eMMC), which the kernel names as it does cards. */
function isCard(path: string): boolean {
  try {
    return readFileSync(`/sys/block/${basename(path)}/device/type`, 'utf8').trim() === 'SD';
  } catch {
    return false;
  }
}
