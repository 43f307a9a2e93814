import {readFile, stat} from 'node:fs/promises';
import {basename, resolve} from 'node:path';
import {PipelineError} from '../../errors.ts';
import {findDisk, listDevices} from '../../flash/list-devices.ts';
import {runProgram} from '../../run-program.ts';

/** What a cache source is written to: a disk, a partition, or a file that stands for one. */
export interface CacheTarget {
  readonly path: string;
  readonly kind: 'device' | 'file';
  /** Undefined for a file that does not exist yet. */
  readonly sizeBytes: number | undefined;
  /** Where it is mounted now. */
  readonly mountPoints: readonly string[];
}

/**
 * Finds out what `path` is, and refuses what must never be written: a disk that the running system lies on, with all
 * its partitions, whatever is in use by something else, and what is write-protected.
 *
 * @throws PipelineError `DEVICE_UNUSABLE`
 */
export async function findCacheTarget(path: string): Promise<CacheTarget> {
  const stats = await stat(path).catch(() => undefined);
  if (stats === undefined && !resolve(path).startsWith('/dev/')) {
    return {path: resolve(path), kind: 'file', sizeBytes: undefined, mountPoints: []};
  }
  if (stats?.isFile()) return {path: resolve(path), kind: 'file', sizeBytes: stats.size, mountPoints: []};
  if (!stats?.isBlockDevice()) {
    throw unusable(
      `${path} is not a block device`,
      'Name a disk or a partition, as /dev/sdb1; lsblk lists them.',
    );
  }
  const real = (await runProgram('readlink', ['-f', path])).stdout.trim() || path;
  const disk = (await findDisk(real)) ?? real;
  const device = (await listDevices()).find((candidate) => candidate.path === disk);
  if (device === undefined) throw unusable(`${path} is no disk, and on no disk, that can be written`);
  if (device.refusal !== undefined) {
    const what = disk === real ? disk : `${disk}, on which ${real} lies,`;
    throw unusable(`${what} ${device.refusal}: nothing is written to it`);
  }
  return {path: real, kind: 'device', sizeBytes: await sizeOf(real), mountPoints: await mountPointsOf(real)};
}

/** @throws PipelineError `DEVICE_UNUSABLE` when something has files open there. */
export async function unmountAll({path, mountPoints}: CacheTarget): Promise<void> {
  for (const mountPoint of mountPoints) {
    const {status, stderr} = await runProgram('umount', ['--', mountPoint]);
    if (status !== 0) {
      throw unusable(
        `${path} is mounted at ${mountPoint}, which cannot be unmounted: nothing was written`,
        stderr.trim(),
      );
    }
  }
}

async function sizeOf(device: string): Promise<number> {
  // In sectors of 512 bytes, whatever the device has.
  return Number(await readFile(`/sys/class/block/${basename(device)}/size`, 'utf8')) * 512;
}

/** Mount points of a device and its partitions, the innermost first. */
async function mountPointsOf(device: string): Promise<readonly string[]> {
  const mounts = await readFile('/proc/self/mounts', 'utf8');
  return mounts
    .split('\n')
    .map((line) => line.split(' '))
    .filter(
      ([source = '']) =>
        source === device || (source.startsWith(device) && /^p?\d+$/.test(source.slice(device.length))),
    )
    .map(([, at = '']) =>
      at.replaceAll(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8))),
    )
    .reverse();
}

function unusable(message: string, hint?: string): PipelineError {
  return new PipelineError('DEVICE_UNUSABLE', message, {hint});
}
