import {readFile, stat} from 'node:fs/promises';
import {basename, resolve} from 'node:path';
import {refuseExisting} from '../../archive/publish-file.ts';
import {DamagedError} from '../../disk/file-system.ts';
import {PipelineError} from '../../errors.ts';
import {findDisk, listDevices} from '../../flash/list-devices.ts';
import {runProgram} from '../../run-program.ts';

/** What a medium is made on: a disk, a partition, or a file that stands for one. */
export interface MediumTarget {
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
export async function findMediumTarget(path: string): Promise<MediumTarget> {
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

/**
 * Refuses a target that needs force and has none.
 *
 * @throws PipelineError `DEVICE_UNUSABLE` for what is mounted, `OUTPUT_EXISTS` for a file that is there
 */
export async function requireForce(
  {path, kind, mountPoints}: MediumTarget,
  {force, option}: {readonly force: boolean | undefined; readonly option: string},
): Promise<void> {
  if (mountPoints.length > 0 && !force) {
    throw unusable(
      `${path} is mounted at ${mountPoints.join(', ')}: nothing is written to it`,
      `Unmount it first, or add ${option}.`,
    );
  }
  if (kind === 'file') await refuseExisting(path, {force});
}

/**
 * What a failure while a target is written or read back means to the user; errors that say it already stay as they are.
 */
export async function explainFailure({path, kind}: MediumTarget, error: unknown): Promise<unknown> {
  if (error instanceof PipelineError && error.code !== 'FLASH_FAILED') return error;
  const isGone =
    kind === 'device' && !(await listDevices().catch(() => [])).some((one) => path.startsWith(one.path));
  if (isGone) {
    return new PipelineError('FLASH_FAILED', `${path} has vanished while it was written`, {
      hint: 'Plug it in again, and run the same command again: what is on it now cannot be used.',
      cause: error,
    });
  }
  const {code, message, syscall} = error as NodeJS.ErrnoException;
  const isOfDevice = error instanceof DamagedError || (code !== undefined && syscall !== undefined);
  if (!isOfDevice) return error;
  return new PipelineError('FLASH_FAILED', `${path} cannot be written or read back: ${message}`, {
    hint: `${path} is incomplete. Use another medium if it happens again.`,
    cause: error,
  });
}

/** @throws PipelineError `DEVICE_UNUSABLE` when something has files open there. */
export async function unmountAll({path, mountPoints}: MediumTarget): Promise<void> {
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
