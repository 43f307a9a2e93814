import {constants} from 'node:fs';
import {lstat, rename, rm, stat} from 'node:fs/promises';
import {basename, dirname, join, resolve} from 'node:path';
import {PipelineError} from '../errors.ts';
import type {BlockDevice} from './block-device.ts';
import {findDisk, listDevices} from './list-devices.ts';
import {RawFile} from './raw-file.ts';
import {runProgram} from '../run-program.ts';

/** Where an image is written to. */
export interface Target {
  readonly path: string;
  /** Absent for a file, which is as large as its image. */
  readonly device?: BlockDevice;
  /** Opens it for nobody else to write to. Whatever is mounted is unmounted. */
  open(imageBytes: number): Promise<OpenTarget>;
  /** What can be said of it when writing has ended early. */
  readonly stateAfterFailure: string;
  /** Whether it is still there. */
  isPresent(): Promise<boolean>;
}

/** A target that is being written. */
export interface OpenTarget {
  readonly file: RawFile;
  /** Closes it and keeps what was written. */
  finish(): Promise<void>;
  /** Closes it after a failure. */
  abandon(): Promise<void>;
}

/**
 * Finds out what `path` is and whether it may be written.
 *
 * @throws PipelineError `DEVICE_UNUSABLE`, `USAGE`
 */
export async function findTarget(path: string, allowNonRemovable: boolean): Promise<Target> {
  // Links, such as those in /dev/disk/by-id, are names of devices, too.
  const stats = await stat(path).catch(() => undefined);
  if (stats === undefined && resolve(path).startsWith('/dev/')) throw await noSuchDevice(path);
  if (stats === undefined || stats.isFile()) return fileTarget(resolve(path));
  if (!stats.isBlockDevice())
    throw new PipelineError('USAGE', `${path} is neither a disk nor a file`, {
      hint: 'Name a disk, as /dev/sdb, or a file to make.',
    });
  const real = (await runProgram('readlink', ['-f', path])).stdout.trim() || path;
  const device = (await listDevices()).find((candidate) => candidate.path === real);
  if (device === undefined) throw await notADisk(real);
  checkDevice(device, allowNonRemovable);
  return deviceTarget(device);
}

/** Says why a device must not be written. */
export function checkDevice(device: BlockDevice, allowNonRemovable: boolean): void {
  const {path, refusal, isRemovable} = device;
  if (refusal !== undefined) {
    throw new PipelineError('DEVICE_UNUSABLE', `${path} ${refusal}: nothing is written to it`, {
      hint: device.isReadOnly
        ? 'Move the switch of the card or its adapter.'
        : 'Name the card: hypriotkit flash IMAGE lists what there is.',
    });
  }
  if (!isRemovable && !allowNonRemovable) {
    throw new PipelineError('DEVICE_UNUSABLE', `${path} is not removable: it may be a disk of this machine`, {
      hint: 'If it is meant all the same, add --allow-non-removable.',
    });
  }
}

function deviceTarget(device: BlockDevice): Target {
  const {path} = device;
  return {
    path,
    device,
    stateAfterFailure: `${path} is incomplete: nothing on it can be used. Run the same command again to write it anew.`,
    open: async () => {
      // Asked again: the question may have stood there for an hour.
      const now = (await listDevices()).find((candidate) => candidate.path === path);
      if (now?.sizeBytes !== device.sizeBytes || now.refusal !== undefined)
        throw new PipelineError('DEVICE_UNUSABLE', `${path} is not the same any more: nothing was written`, {
          hint: 'Run the command again.',
        });
      for (const mountPoint of now.mountPoints) await unmount(path, mountPoint);
      const file = await RawFile.open(path, constants.O_RDWR | constants.O_EXCL).catch((error: unknown) => {
        throw cannotOpen(path, error);
      });
      return {file, finish: () => file.close(), abandon: () => file.close()};
    },
    isPresent: async () => {
      const devices = await listDevices().catch(() => []);
      return devices.some((candidate) => candidate.path === path && candidate.sizeBytes === device.sizeBytes);
    },
  };
}

function fileTarget(path: string): Target {
  const partial = join(dirname(path), `.hypriotkit-partial-${process.pid}-${basename(path)}`);
  return {
    path,
    stateAfterFailure: `${path} was not made.`,
    open: async (imageBytes) => {
      const flags = constants.O_RDWR | constants.O_CREAT | constants.O_TRUNC;
      const file = await RawFile.open(partial, flags).catch((error: unknown) => {
        throw cannotOpen(path, error);
      });
      const abandon = async () => {
        await file.close();
        await rm(partial, {force: true});
      };
      try {
        await file.truncate(imageBytes);
      } catch (error) {
        await abandon();
        throw error;
      }
      return {
        file,
        abandon,
        finish: async () => {
          await file.close();
          await rename(partial, path);
        },
      };
    },
    isPresent: () =>
      lstat(dirname(path)).then(
        () => true,
        () => false,
      ),
  };
}

async function unmount(device: string, mountPoint: string): Promise<void> {
  const {status, stderr} = await runProgram('umount', ['--', mountPoint]);
  if (status === 0) return;
  throw new PipelineError(
    'DEVICE_UNUSABLE',
    `${device} is mounted at ${mountPoint}, which cannot be unmounted: nothing was written`,
    {
      hint: stderr.includes('busy')
        ? `Something uses it: close what has files open there (fuser -vm ${mountPoint} names it).`
        : stderr.trim(),
    },
  );
}

async function noSuchDevice(path: string): Promise<PipelineError> {
  const cards = (await listDevices()).filter(
    ({isRemovable, refusal}) => isRemovable && refusal === undefined,
  );
  return new PipelineError('DEVICE_UNUSABLE', `there is no device ${path}`, {
    hint:
      cards.length === 0
        ? 'No card or stick is plugged in.'
        : `There ${cards.length === 1 ? 'is' : 'are'}: ${cards.map((card) => card.path).join(', ')}`,
  });
}

async function notADisk(path: string): Promise<PipelineError> {
  const disk = await findDisk(path);
  return disk === undefined
    ? new PipelineError('DEVICE_UNUSABLE', `${path} is not a disk that can be written`, {
        hint: 'A loop device needs a file first: losetup.',
      })
    : new PipelineError('DEVICE_UNUSABLE', `${path} is a partition: an image needs the whole card`, {
        hint: `Its disk is ${disk}.`,
      });
}

function cannotOpen(path: string, error: unknown): PipelineError {
  const {code, message} = error as NodeJS.ErrnoException;
  const [reason, hint] =
    code === 'EACCES' || code === 'EPERM'
      ? ['this user may not write to it', 'Run the command as root: sudo hypriotkit flash …']
      : code === 'EBUSY'
        ? ['something uses it', 'Unmount it, and close what else has it open: lsblk shows what lies on it.']
        : code === 'ENOMEDIUM'
          ? ['there is no card in the reader', 'Put one in.']
          : code === 'EROFS'
            ? ['it is write-protected', 'Move the switch of the card or its adapter.']
            : [message, undefined];
  return new PipelineError('DEVICE_UNUSABLE', `${path} cannot be opened for writing: ${reason}`, {
    cause: error,
    hint,
  });
}
