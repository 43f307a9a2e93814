import {createReadStream, type PathLike} from 'node:fs';
import {mkdtemp, open, rm, stat} from 'node:fs/promises';
import {spawn} from 'node:child_process';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import type {Readable} from 'node:stream';
import * as zlib from 'node:zlib';
import {writeStream} from '../../disk/unpack.ts';
import {OtaError} from '../ota-error.ts';
import {openExt4Rootfs} from './ext4-rootfs.ts';
import {openFolderRootfs} from './folder-rootfs.ts';
import type {Rootfs} from './rootfs.ts';
import {openTarRootfs} from './tar-rootfs.ts';

export interface OpenRootfsOptions {
  /** Where a compressed archive is unpacked to, so that its files can be read in any order; default: the system's. */
  readonly tmpDir?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Opens a root file system: a folder, a tar archive (also compressed with gzip or zstd), or the image of an ext4 partition
 * or of a disk with one. What it is is told by its content, not by its name.
 * @throws {OtaError} ROOTFS_INVALID, NAME_NOT_UTF8, PATH_UNSAFE, TOOL_MISSING
 */
export async function openRootfs(path: string, {tmpDir, signal}: OpenRootfsOptions = {}): Promise<Rootfs> {
  const found = await stat(path).catch((cause: unknown) => {
    throw new OtaError(
      'ROOTFS_INVALID',
      `The root file system ${path} cannot be read: ${(cause as Error).message}`,
      {
        cause,
      },
    );
  });
  if (found.isDirectory()) return openFolderRootfs(path, signal);
  switch (await guessKind(path)) {
    case 'tar':
      return openTarRootfs(path);
    case 'gzip':
      return openPacked(path, tmpDir, (from, to) => unpackWith(from, zlib.createGunzip(), to));
    case 'zstd':
      return openPacked(path, tmpDir, unpackZstd);
    case 'other':
      return openExt4Rootfs(path);
  }
}

async function guessKind(path: PathLike): Promise<'tar' | 'gzip' | 'zstd' | 'other'> {
  await using file = await open(path, 'r');
  const head = Buffer.alloc(512);
  await file.read(head, 0, head.length, 0);
  if (head.toString('latin1', 257, 262) === 'ustar') return 'tar';
  if (head.readUInt16BE(0) === 0x1f8b) return 'gzip';
  return head.readUInt32LE(0) === 0xfd2fb528 ? 'zstd' : 'other';
}

/** Unpacks an archive and opens what it was; disposing of the root file system removes it. */
async function openPacked(
  path: string,
  tmpDir: string | undefined,
  unpack: (from: string, to: string) => Promise<void>,
): Promise<Rootfs> {
  const folder = await mkdtemp(join(tmpDir ?? tmpdir(), 'hypriotkit-rootfs-'));
  const remove = () => rm(folder, {recursive: true, force: true});
  try {
    const unpacked = join(folder, 'rootfs.tar');
    await unpack(path, unpacked);
    const rootfs =
      (await guessKind(unpacked)) === 'tar' ? await openTarRootfs(unpacked) : await openExt4Rootfs(unpacked);
    return {...rootfs, [Symbol.asyncDispose]: remove};
  } catch (error) {
    await remove();
    if (error instanceof OtaError) throw error;
    throw new OtaError('ROOTFS_INVALID', `${path} cannot be unpacked: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

async function unpackWith(
  from: string,
  through: NodeJS.ReadWriteStream & Readable,
  to: string,
): Promise<void> {
  const input = createReadStream(from);
  input.once('error', (error) => through.destroy(error));
  await writeStream(input.pipe(through), to);
}

/** Node.js 22.15 and newer has zstd; before, the program is needed. */
async function unpackZstd(from: string, to: string): Promise<void> {
  const {createZstdDecompress} = zlib as {createZstdDecompress?: () => NodeJS.ReadWriteStream & Readable};
  if (createZstdDecompress) return unpackWith(from, createZstdDecompress(), to);
  const child = spawn('zstd', ['--decompress', '--stdout', '--quiet', '--', from], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let complaint = '';
  child.stderr.on('data', (chunk: Buffer) => (complaint += chunk.toString()));
  const ended = new Promise<void>((resolve, reject) => {
    child.once('error', (cause) => {
      reject(
        new OtaError('TOOL_MISSING', `zstd is needed to unpack ${from}: ${cause.message}`, {
          cause,
          hint: 'Install it (apt-get install zstd), or use Node.js 22.15 or newer.',
        }),
      );
    });
    child.once('close', (code) => {
      if (code === 0) resolve();
      else reject(new OtaError('ROOTFS_INVALID', `${from} cannot be unpacked: ${complaint.trim()}`));
    });
  });
  await Promise.all([writeStream(child.stdout, to), ended]);
}
