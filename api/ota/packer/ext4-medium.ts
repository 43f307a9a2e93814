import {createHash} from 'node:crypto';
import {execFile} from 'node:child_process';
import {open, rm, truncate, writeFile} from 'node:fs/promises';
import {dirname} from 'node:path';
import {FileSource} from '../../disk/byte-source.ts';
import {openExt4} from '../../disk/ext4.ts';
import {PipelineError} from '../../errors.ts';
import {runProgram} from '../../run-program.ts';
import {explainFailure, unmountAll, type MediumTarget} from './medium-target.ts';

/** A file of a medium as it must be found again. */
export interface StagedFile {
  readonly sizeBytes: number;
  /** In hex. */
  readonly sha256: string;
}

/** What goes onto a medium. */
export interface Ext4Content {
  /** Of the file system. */
  readonly label: string;
  /** Where it lies now, as it shall lie there. */
  readonly folder: string;
  /** Every file of the folder, by path below it. */
  readonly files: ReadonlyMap<string, StagedFile>;
  /** Time of everything on it: seconds since 1970. */
  readonly timestamp: number;
}

const blockBytes = 4096;
/** Tables, journal and folders of the file system. */
const overheadBytes = 48 * 1024 * 1024;

/**
 * Refuses a target that is too small for files of these sizes.
 *
 * @throws PipelineError `DEVICE_UNUSABLE`, which says how much is missing
 */
export function checkRoom({path, sizeBytes}: MediumTarget, fileSizes: readonly number[]): void {
  const needed = neededBytes(fileSizes);
  if (sizeBytes === undefined || sizeBytes >= needed) return;
  const mebibytes = (bytes: number) => `${Math.ceil(bytes / 1024 / 1024)} MiB`;
  throw new PipelineError(
    'DEVICE_UNUSABLE',
    `${path} has ${mebibytes(sizeBytes)} and about ${mebibytes(needed)} are needed, ${mebibytes(needed - sizeBytes)} more: nothing was written`,
    {hint: 'Use a larger medium, or put less on it.'},
  );
}

/**
 * Makes an ext4 file system of `content` on `target`, which may be mounted now, and reads every file of it back. Nothing is
 * mounted. The same content gives the same file system.
 *
 * @returns its size in bytes
 * @throws PipelineError `DEVICE_UNUSABLE` before anything is written, then `FLASH_FAILED`; `TOOL_MISSING`; the reason of
 *   `signal`
 */
export async function writeExt4(
  target: MediumTarget,
  content: Ext4Content,
  signal: AbortSignal | undefined,
): Promise<number> {
  const {path} = target;
  const sizeBytes = target.sizeBytes ?? roundUp(neededBytes(sizesOf(content)), 1024 * 1024);
  const isNew = target.sizeBytes === undefined;
  signal?.throwIfAborted();
  await unmountAll(target);
  try {
    if (isNew) {
      await (await open(path, 'wx')).close();
      await truncate(path, sizeBytes);
    }
    await makeFileSystem(path, content, signal);
    await settleTimes(path, content);
    await runProgram('blockdev', ['--flushbufs', path]);
    await verify(path, content.files, signal);
  } catch (error) {
    if (isNew) await rm(path, {force: true});
    if (signal?.aborted === true) throw signal.reason;
    throw await explainFailure(target, error);
  }
  return sizeBytes;
}

function sizesOf({files}: Ext4Content): readonly number[] {
  return [...files.values()].map(({sizeBytes}) => sizeBytes);
}

function neededBytes(fileSizes: readonly number[]): number {
  // An inode has 256 bytes, an entry in a folder about a hundred.
  const blocks = fileSizes.reduce((sum, size) => sum + roundUp(size, blockBytes) + 512, 0);
  return Math.ceil(blocks * 1.02) + overheadBytes;
}

/** Ids come from the content. */
function uuidOf({label, files}: Ext4Content): string {
  const hash = createHash('sha256').update(label);
  for (const [path, {sha256}] of [...files].sort(([a], [b]) => (a < b ? -1 : 1)))
    hash.update(`\n${sha256}  ${path}`);
  return hash.digest('hex').replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12}).*$/, '$1-$2-4$3-8$4-$5');
}

async function makeFileSystem(
  path: string,
  content: Ext4Content,
  signal: AbortSignal | undefined,
): Promise<void> {
  const {label, folder, files, timestamp} = content;
  const uuid = uuidOf(content);
  // Enough inodes for many small files, also where mke2fs would make few.
  const inodes = files.size + 1024;
  const args = [
    '-F',
    '-q',
    '-t',
    'ext4',
    '-L',
    label,
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
    folder,
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
    execFile('mke2fs', args, {env, ...(signal && {signal})}, (failure, _stdout, said) => {
      resolve({error: failure, stderr: said});
    });
  });
  if (error === null) return;
  if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
    throw new PipelineError('TOOL_MISSING', 'the program mke2fs is needed to make a medium', {
      hint: 'On Debian: apt-get install e2fsprogs.',
    });
  }
  throw new PipelineError('FLASH_FAILED', `${path} could not be written: ${stderr.trim() || error.message}`, {
    hint: `${path} is incomplete. Is it still plugged in, large enough, and not write-protected?`,
    cause: error,
  });
}

/** mke2fs copies owners, modes, and the times of access and change from the files: whose, and under which umask, is all one. */
async function settleTimes(path: string, {folder, files, timestamp}: Ext4Content): Promise<void> {
  const names = new Set<string>();
  for (const file of files.keys())
    for (let name = `/${file}`; name !== '/'; name = dirname(name)) names.add(name);
  const fields = ['atime', 'ctime', 'mtime'].map((field) => `${field} @${Math.max(1, timestamp)}`);
  const extras = ['atime_extra', 'ctime_extra', 'mtime_extra'].map((field) => `${field} 0`);
  const modeOf = (name: string) => (files.has(name.slice(1)) ? '0100644' : '040755');
  const lines = ['/', ...names].flatMap((name) =>
    [...fields, ...extras, 'uid 0', 'gid 0', `mode ${modeOf(name)}`].map((field) => `sif "${name}" ${field}`),
  );
  const script = `${folder}.debugfs`;
  const now = `set_current_time @${Math.max(1, timestamp)}`;
  await writeFile(script, `${[now, ...lines].join('\n')}\n`);
  // It comes with mke2fs; where it does not, the contents are right all the same.
  await runProgram('debugfs', ['-w', '-f', script, path]);
}

/** Reads every file back from the device itself. */
async function verify(
  path: string,
  files: Ext4Content['files'],
  signal: AbortSignal | undefined,
): Promise<void> {
  const handle = await open(path, 'r');
  try {
    const {size} = await handle.stat();
    // A device has no size as a file; its file system knows how large it is.
    const source = new FileSource(handle, size > 0 ? size : Number.MAX_SAFE_INTEGER);
    const fileSystem = await openExt4(source);
    const tree = await fileSystem?.readTree();
    for (const [name, {sizeBytes, sha256}] of files) {
      signal?.throwIfAborted();
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

function roundUp(value: number, to: number): number {
  return Math.ceil(value / to) * to;
}
