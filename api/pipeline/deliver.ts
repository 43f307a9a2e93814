import {mkdir, open, readdir, rename, rm, stat} from 'node:fs/promises';
import {join, resolve} from 'node:path';
import {setTimeout} from 'node:timers/promises';
import type {EntryReader, KnownFile} from '../../volumes/entry-reader.ts';
import type {StoreEntry, StoredFile} from '../../volumes/store-entry.ts';
import {sha256File} from '../archive/sha256-file.ts';
import {PipelineError} from '../errors.ts';
import type {DeliveredArtifact, PipelineEvent} from '../events/event.ts';
import {isProcessAlive} from '../process-alive.ts';
import {runProgram} from '../run-program.ts';
import {DamagedArtifact} from './damaged-artifact.ts';
import {DeliveryMemory, settleMs} from './delivery-memory.ts';
import {Pool} from '../pool.ts';
import {SparseFileWriter} from './sparse-stream.ts';
import {unpackBeside} from './unpack-beside.ts';

/** A partial copy; renamed to its real name when it is complete and verified. */
const partialPattern = /^\.hypriotkit-partial-(\d+)-/;

/**
 * Makes sure that a target folder exists and can be written, and removes partial copies of processes that are gone.
 *
 * @throws PipelineError `TARGET_UNUSABLE`.
 */
export async function prepareTarget(target: string): Promise<string> {
  const folder = resolve(target);
  try {
    await mkdir(folder, {recursive: true});
    const probe = join(folder, partialName('probe'));
    // It may lie there already: left by a killed process with our id, or made by another run in this process.
    await (await open(probe, 'w')).close();
    await rm(probe, {force: true});
  } catch (error) {
    throw unusable('TARGET_UNUSABLE', folder, error as NodeJS.ErrnoException);
  }
  for (const name of await readdir(folder)) {
    const pid = Number(partialPattern.exec(name)?.[1]);
    if (pid && pid !== process.pid && !isProcessAlive(pid)) await rm(join(folder, name), {force: true});
  }
  return folder;
}

/** Files that are copied at the same time: while one is hashed here, others are read and written. */
const atOnce = 3;

/**
 * Copies files of an entry into a folder. Each is verified by its digest before it gets its name; one that this run has
 * verified in the volume, and that lies on this machine, is not read again for that. A file that is there
 * already with the same content is left alone.
 *
 * @throws PipelineError `ARTIFACT_CORRUPT` when the volume no longer has what was published, `DELIVERY_FAILED` for a full disk.
 */
export async function deliver(
  store: EntryReader,
  entry: StoreEntry,
  files: readonly StoredFile[],
  folder: string,
  emit: (event: PipelineEvent) => void,
  signal: AbortSignal,
): Promise<DeliveredArtifact[]> {
  const memory = new DeliveryMemory();
  const pool = new Pool(atOnce);
  const failed = new AbortController();
  const either = AbortSignal.any([signal, failed.signal]);
  const copied: {sha256: string; remember: (sha256: string) => Promise<void>}[] = [];
  const deliverOne = async (
    file: StoredFile,
    arriving?: Promise<DeliveredArtifact>,
  ): Promise<DeliveredArtifact> => {
    const path = join(folder, file.name);
    const unchanged = await pool.run(() => {
      either.throwIfAborted();
      return isUnchanged(path, file, memory);
    });
    if (!unchanged) {
      // What can be copied straight from the volume waits for nothing.
      const isMade = arriving !== undefined && !(await isHere(store, entry, file));
      const packed = isMade ? (await arriving).path : undefined;
      await pool.run(() => copyOut({store, entry, file, packed}, path, emit, either));
      copied.push({sha256: file.sha256, remember: await memory.observe(path)});
    }
    const artifact = {...file, step: entry.step, path, unchanged};
    emit({type: 'artifact-delivered', artifact});
    return artifact;
  };
  const arrivals = new Map<string, Promise<DeliveredArtifact>>();
  let failure: {readonly error: unknown} | undefined;
  for (const file of packedFirst(files)) {
    const arrival = deliverOne(file, arrivals.get(packedName(file)));
    arrival.catch((error: unknown) => {
      failure ??= {error};
      failed.abort();
    });
    arrivals.set(file.name, arrival);
  }
  await Promise.allSettled(arrivals.values());
  if (failure !== undefined) throw failure.error;
  if (copied.length > 0) await setTimeout(settleMs);
  for (const {sha256, remember} of copied) await remember(sha256);
  await memory.save();
  return Promise.all(files.map(({name}) => arrivals.get(name) as Promise<DeliveredArtifact>));
}

async function isHere(store: EntryReader, entry: StoreEntry, {name}: StoredFile): Promise<boolean> {
  if ((await store.findKnown?.(entry, name)) !== undefined) return true;
  return (await store.isNear?.(entry, name)) ?? false;
}

function packedName({name}: StoredFile): string {
  return `${name}.zst`;
}

/** What is packed comes first, so that the file which is made from it waits for nothing else. */
function packedFirst(files: readonly StoredFile[]): StoredFile[] {
  const packed = new Set(files.map(packedName));
  return files.toSorted((a, b) => Number(packed.has(b.name)) - Number(packed.has(a.name)));
}

/** A file that is to be copied, and where it comes from. */
interface Copy {
  readonly store: EntryReader;
  readonly entry: StoreEntry;
  readonly file: StoredFile;
  /** Where its packed form has been delivered and verified. */
  readonly packed: string | undefined;
}

async function copyOut(
  {store, entry, file, packed}: Copy,
  path: string,
  emit: (event: PipelineEvent) => void,
  signal: AbortSignal,
): Promise<void> {
  const partial = join(path, '..', partialName(file.name));
  let reportedMs = Date.now();
  const report = (doneBytes: number) => {
    signal.throwIfAborted();
    if (Date.now() - reportedMs < 200) return;
    reportedMs = Date.now();
    emit({type: 'delivery-progress', name: file.name, doneBytes, totalBytes: file.sizeBytes});
  };
  try {
    if (await copyKnown(await store.findKnown?.(entry, file.name), partial, file, report, signal)) {
      await rename(partial, path);
      return;
    }
    const handle = await open(partial, 'w');
    try {
      const unpacked = packed === undefined ? undefined : await unpackBeside(packed, handle, report);
      if (unpacked !== file.sha256) {
        const writer = new SparseFileWriter(handle);
        await handle.truncate();
        await store.readFile(entry, file.name, async (chunk) => {
          await writer.write(chunk);
          report(writer.position);
        });
        if ((await writer.finish()) !== file.sha256) throw corrupt(entry, file);
      }
    } finally {
      await handle.close();
    }
    await rename(partial, path);
  } catch (error) {
    await rm(partial, {force: true});
    const code = (error as NodeJS.ErrnoException).code;
    if (
      code !== undefined &&
      ['ENOSPC', 'EDQUOT', 'EACCES', 'EISDIR', 'ENOTDIR', 'EROFS', 'EPERM'].includes(code)
    ) {
      throw unusable('DELIVERY_FAILED', path, error as NodeJS.ErrnoException);
    }
    throw error;
  }
}

/**
 * Lets the kernel copy a file whose digest this run has seen already: its bytes need not come by here once more.
 *
 * @returns whether that was possible; if not, the long way says why.
 */
async function copyKnown(
  known: KnownFile | undefined,
  to: string,
  {sizeBytes}: StoredFile,
  report: (doneBytes: number) => void,
  signal: AbortSignal,
): Promise<boolean> {
  if (known === undefined) return false;
  const watching = setInterval(() => {
    // What goes wrong is said below.
    void stat(to)
      .then(({size}) => {
        report(size);
      })
      .catch(() => undefined);
  }, 200);
  // By way of cp, which knows holes; Node's copyFile does not.
  const {status} = await runProgram('cp', ['--', known.path, to], {signal});
  clearInterval(watching);
  signal.throwIfAborted();
  return status === 0 && (await known.isSame()) && (await stat(to)).size === sizeBytes;
}

/** Whether the content is there already; what had to be read to know that need not be read next time. */
async function isUnchanged(path: string, file: StoredFile, memory: DeliveryMemory): Promise<boolean> {
  const known = await memory.recall(path);
  if (known !== undefined) return known === file.sha256;
  const remember = await memory.observe(path);
  if (!(await hasContent(path, file))) return false;
  await remember(file.sha256);
  return true;
}

/** Whether a file lies there with exactly this content. */
export async function hasContent(path: string, file: StoredFile): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  if (!found?.isFile() || found.size !== file.sizeBytes) return false;
  return (await sha256File(path)) === file.sha256;
}

function partialName(name: string): string {
  return `.hypriotkit-partial-${process.pid}-${name}`;
}

function corrupt(entry: StoreEntry, file: StoredFile): DamagedArtifact {
  return new DamagedArtifact(entry, `${file.name} of ${entry.step} is damaged in the volume`);
}

function unusable(
  code: 'TARGET_UNUSABLE' | 'DELIVERY_FAILED',
  path: string,
  error: NodeJS.ErrnoException,
): PipelineError {
  const why: Readonly<Record<string, string>> = {
    ENOTDIR: 'a part of the path is a file, not a folder',
    EEXIST: 'it is a file, not a folder',
    EISDIR: 'a folder is in the way',
    EACCES: 'permission denied',
    EPERM: 'permission denied',
    EROFS: 'the file system is read-only',
    ENOSPC: 'no space is left on the device',
    EDQUOT: 'the disk quota is exceeded',
  };
  return new PipelineError(code, `cannot write to ${path}: ${why[error.code ?? ''] ?? error.message}`, {
    hint: 'Name another folder with --target.',
    cause: error,
  });
}
