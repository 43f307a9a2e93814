import {createHash} from 'node:crypto';
import {mkdtemp, open, rm, truncate, writeFile} from 'node:fs/promises';
import {execFile} from 'node:child_process';
import {tmpdir} from 'node:os';
import {dirname, join} from 'node:path';
import {refuseExisting} from '../../archive/publish-file.ts';
import {FileSource} from '../../disk/byte-source.ts';
import {openExt4} from '../../disk/ext4.ts';
import {PipelineError} from '../../errors.ts';
import {runProgram} from '../../run-program.ts';
import {checkImages, planBundle, type BundleManifest, type BundlePlan} from './bundle-plan.ts';
import {findCacheTarget, unmountAll, type CacheTarget} from './cache-target.ts';
import type {PackerImage} from './packer-input.ts';
import {stageBundle, type StagedFile} from './stage-bundle.ts';

/** By this label otaproxy knows an external cache source. */
export const cacheSourceLabel = 'ota_cache_src';

export interface WriteCacheSourceOptions {
  readonly images: readonly PackerImage[];
  /** A disk, a partition, or a file. */
  readonly target: string;
  /** Seconds since 1970. */
  readonly timestamp?: number | undefined;
  /** Unmounts what is mounted, and replaces an existing file. */
  readonly force?: boolean | undefined;
  /** Folder with room for all contents; the system's folder for temporary files when absent. */
  readonly room?: string | undefined;
  /** Asked before anything is written; false stops. */
  readonly confirm?: ((target: CacheTarget) => Promise<boolean>) | undefined;
  readonly signal?: AbortSignal | undefined;
}

const blockBytes = 4096;
/** Tables, journal and folders of the file system. */
const overheadBytes = 48 * 1024 * 1024;

/**
 * Makes an external cache source: an ext4 file system with the label that otaproxy looks for, and the bundle in it.
 * Nothing is mounted; every file is read back from the device and compared.
 *
 * @returns undefined when `confirm` said no
 * @throws PipelineError `DEVICE_UNUSABLE` before anything is written, then `FLASH_FAILED`; {OtaError} for the images
 */
export async function writeCacheSource(
  options: WriteCacheSourceOptions,
): Promise<BundleManifest | undefined> {
  const {images, timestamp = 0, force, signal, room = tmpdir()} = options;
  checkImages(images);
  const target = await findCacheTarget(options.target);
  if (target.mountPoints.length > 0 && !force) {
    const message = `${target.path} is mounted at ${target.mountPoints.join(', ')}: nothing is written to it`;
    throw new PipelineError('DEVICE_UNUSABLE', message, {hint: 'Unmount it first, or add --force-write-to.'});
  }
  if (target.kind === 'file') await refuseExisting(target.path, {force});
  if (options.confirm !== undefined && !(await options.confirm(target))) return undefined;
  const folder = await mkdtemp(join(room, 'hypriotkit-cache-src-'));
  try {
    await using plan = await planBundle({images, room: folder, timestamp});
    checkSize(target, plan);
    const stage = await mkdtemp(join(folder, 'bundle-'));
    const staged = await stageBundle(plan, stage, timestamp, signal);
    await unmountAll(target);
    await write(target, plan, stage, staged, timestamp);
    return plan.manifest;
  } finally {
    await rm(folder, {recursive: true, force: true});
  }
}

async function write(
  target: CacheTarget,
  plan: BundlePlan,
  stage: string,
  staged: ReadonlyMap<string, StagedFile>,
  timestamp: number,
): Promise<void> {
  const isNew = target.sizeBytes === undefined;
  try {
    if (isNew) {
      await (await open(target.path, 'wx')).close();
      await truncate(target.path, roundUp(neededBytes(plan), 1024 * 1024));
    }
    await makeFileSystem(target.path, stage, plan, timestamp);
    await settleTimes(target.path, stage, staged, timestamp);
    await runProgram('blockdev', ['--flushbufs', target.path]);
    await verify(target.path, staged);
  } catch (error) {
    if (isNew) await rm(target.path, {force: true});
    throw error;
  }
}

function neededBytes({data, meta, manifestBytes}: BundlePlan): number {
  const sizes = [
    ...data.map(({stored}) => stored.sizeBytes),
    ...[...meta.values(), manifestBytes].map(({length}) => length),
  ];
  // An inode has 256 bytes, an entry in a folder about a hundred.
  const blocks = sizes.reduce((sum, size) => sum + roundUp(size, blockBytes) + 512, 0);
  return Math.ceil(blocks * 1.02) + overheadBytes;
}

function checkSize(target: CacheTarget, plan: BundlePlan): void {
  const needed = neededBytes(plan);
  if (target.sizeBytes === undefined || target.sizeBytes >= needed) return;
  const mebibytes = (bytes: number) => `${Math.ceil(bytes / 1024 / 1024)} MiB`;
  throw new PipelineError(
    'DEVICE_UNUSABLE',
    `${target.path} has ${mebibytes(target.sizeBytes)}; the images need about ${mebibytes(needed)}: nothing was written`,
  );
}

/** Ids come from the content, so that the same images give the same file system. */
async function makeFileSystem(
  path: string,
  stage: string,
  plan: BundlePlan,
  timestamp: number,
): Promise<void> {
  const id = createHash('sha256')
    .update(plan.manifestBytes)
    .update([...plan.meta.values()].map(hashOf).join())
    .digest('hex');
  const uuid = id.slice(0, 32).replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12}).*$/, '$1-$2-4$3-8$4-$5');
  // Enough inodes for many small files, also where mke2fs would make few.
  const inodes = plan.data.length + plan.meta.size + 1024;
  const args = [
    '-F',
    '-q',
    '-t',
    'ext4',
    '-L',
    cacheSourceLabel,
    '-b',
    String(blockBytes),
    '-m',
    '0',
    '-N',
    String(inodes),
    '-U',
    uuid,
    '-E',
    `hash_seed=${uuid},lazy_itable_init=0,root_owner=0:0`,
    '-d',
    stage,
    path,
  ];
  // mke2fs takes 0 for "now".
  const env = {
    ...process.env,
    LC_ALL: 'C',
    PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`,
    E2FSPROGS_FAKE_TIME: String(Math.max(1, timestamp)),
  };
  const {error, stderr} = await new Promise<{error: Error | null; stderr: string}>((resolve) => {
    execFile('mke2fs', args, {env}, (failure, _stdout, said) => {
      resolve({error: failure, stderr: said});
    });
  });
  if (error === null) return;
  if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
    throw new PipelineError('TOOL_MISSING', 'the program mke2fs is needed to write a cache source', {
      hint: 'On Debian: apt-get install e2fsprogs.',
    });
  }
  throw new PipelineError('FLASH_FAILED', `${path} could not be written: ${stderr.trim() || error.message}`, {
    hint: `${path} is incomplete. Is it still plugged in, large enough, and not write-protected?`,
    cause: error,
  });
}

/** mke2fs copies the times of access and change from the files, which nobody can set there. */
async function settleTimes(
  path: string,
  stage: string,
  staged: ReadonlyMap<string, StagedFile>,
  timestamp: number,
): Promise<void> {
  const folders = [...staged.keys()].map((name) => `/${dirname(name)}`.replace('/.', '/'));
  const names = [...new Set([...folders, '/data', '/meta']), ...[...staged.keys()].map((name) => `/${name}`)];
  const fields = ['atime', 'ctime', 'mtime'].map((field) => `${field} @${Math.max(1, timestamp)}`);
  const extras = ['atime_extra', 'ctime_extra', 'mtime_extra'].map((field) => `${field} 0`);
  const lines = names.flatMap((name) => [...fields, ...extras].map((field) => `sif "${name}" ${field}`));
  const script = `${stage}.debugfs`;
  const now = `set_current_time @${Math.max(1, timestamp)}`;
  await writeFile(script, `${[now, ...lines].join('\n')}\n`);
  // It comes with mke2fs; where it does not, the files are right and only their times differ.
  await runProgram('debugfs', ['-w', '-f', script, path]);
}

/** Reads every file back from the device itself. */
async function verify(path: string, staged: ReadonlyMap<string, StagedFile>): Promise<void> {
  const handle = await open(path, 'r');
  try {
    const {size} = await handle.stat();
    // A device has no size as a file; its file system knows how large it is.
    const source = new FileSource(handle, size > 0 ? size : Number.MAX_SAFE_INTEGER);
    const fileSystem = await openExt4(source);
    const tree = await fileSystem?.readTree();
    for (const [name, {sizeBytes, sha256}] of staged) {
      const content = tree?.get(`/${name}`)?.content;
      const hash = createHash('sha256');
      for (let at = 0; content !== undefined && at < content.sizeBytes; at += 1024 * 1024) {
        hash.update(await content.read(at, 1024 * 1024));
      }
      if (content?.sizeBytes !== sizeBytes || hash.digest('hex') !== sha256) {
        throw new PipelineError('FLASH_FAILED', `${path} does not hold ${name} as it was written`, {
          hint: 'The medium is damaged or lies about its size: use another one.',
        });
      }
    }
  } finally {
    await handle.close();
  }
}

function hashOf(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}

function roundUp(value: number, to: number): number {
  return Math.ceil(value / to) * to;
}
