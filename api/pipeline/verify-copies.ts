import {once} from 'node:events';
import {createReadStream} from 'node:fs';
import {open, stat} from 'node:fs/promises';
import {join} from 'node:path';
import {PassThrough} from 'node:stream';
import {pipeline} from 'node:stream/promises';
import {pack} from 'tar-stream';
import {ArtifactStore} from '../../volumes/artifact-store.ts';
import type {EntryReader} from '../../volumes/entry-reader.ts';
import type {StoreEntry} from '../../volumes/store-entry.ts';
import {VolumeScriptError} from '../../volumes/volume-host.ts';
import {sha256File} from '../archive/sha256-file.ts';
import {DamagedError} from '../disk/file-system.ts';
import {writeStream} from '../disk/unpack.ts';
import {openSession, volumeExists} from '../engine/open-session.ts';
import type {EngineSession} from '../engine/session.ts';
import type {VerifyOptions} from './verify-result.ts';
import {SparseFileWriter} from './sparse-stream.ts';

/** Copies a stored file to this machine; false when the volume no longer has what was published. */
export async function fetchFile(
  store: EntryReader,
  entry: StoreEntry,
  name: string,
  path: string,
  signal: AbortSignal,
): Promise<boolean> {
  const handle = await open(path, 'w');
  try {
    const writer = new SparseFileWriter(handle);
    await store.readFile(entry, name, async (chunk) => {
      signal.throwIfAborted();
      await writer.write(chunk);
    });
    return (await writer.finish()) === entry.files.find((file) => file.name === name)?.sha256;
  } finally {
    await handle.close();
  }
}

/** Finds copies of what a first build made, by digest: in the folder of its `build.json`, or in the user's volume. */
export class OldCopies implements AsyncDisposable {
  readonly #options: VerifyOptions;
  readonly #folder: string | undefined;
  readonly #baseImage: string;
  #opened: Promise<{session: EngineSession; store: ArtifactStore} | undefined> | undefined;

  /** @param folder where delivered artifacts may lie. */
  constructor(options: VerifyOptions, folder: string | undefined, baseImage: string) {
    this.#options = options;
    this.#folder = folder;
    this.#baseImage = baseImage;
  }

  /**
   * @param scratch where a copy may be put.
   * @returns the path of a file with this content, or undefined when only its digest is known.
   */
  async find(
    name: string,
    sha256: string,
    scratch: string,
    signal: AbortSignal,
  ): Promise<string | undefined> {
    if (this.#folder !== undefined) {
      const delivered = join(this.#folder, name);
      if (await hasDigest(delivered, sha256)) return delivered;
    }
    const opened = await (this.#opened ??= this.#open());
    if (opened === undefined) return undefined;
    for (const entry of (await opened.store.entries()).values()) {
      const file = entry.files.find((candidate) => candidate.sha256 === sha256);
      if (file === undefined) continue;
      if (await fetchFile(opened.store, entry, file.name, scratch, signal)) return scratch;
    }
    return undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const opened = await this.#opened?.catch(() => undefined);
    await opened?.session.close();
  }

  async #open(): Promise<{session: EngineSession; store: ArtifactStore} | undefined> {
    const session = await openSession(this.#options);
    if (!(await volumeExists(session))) {
      await session.close();
      return undefined;
    }
    session.useBaseImage(this.#baseImage);
    return {session, store: new ArtifactStore(session)};
  }
}

async function hasDigest(path: string, sha256: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  return found?.isFile() === true && (await sha256File(path)) === sha256;
}

/** Unpacks a zstd file with the tools of the base image: Node has no zstd before its version 22. */
export async function unpackZstd(
  session: EngineSession,
  store: ArtifactStore,
  from: string,
  to: string,
): Promise<void> {
  const work = await store.openWork(`${session.runId}.zstd`);
  const output = new PassThrough();
  const written = writeStream(output, to);
  // Waited for below; an error must not count as unhandled until then.
  written.catch(() => undefined);
  output.on('error', () => undefined);
  try {
    await upload(session, from, work.path);
    await session.stream(['zstd', '-dcq', '--', `${work.path}/file.zst`], async (chunk) => {
      // A writer that fails, on a full disk, takes no more: then its error ends this, too.
      if (!output.write(Buffer.from(chunk))) await Promise.race([once(output, 'drain'), written]);
    });
    output.end();
    await written;
  } catch (error) {
    // Else the writer would wait for more, with its file open.
    output.destroy();
    await written.catch(() => undefined);
    if (error instanceof VolumeScriptError && !error.isStorageFull) throw new DamagedError(error.message);
    throw error;
  } finally {
    await store.discardWork(work);
  }
}

async function upload(session: EngineSession, path: string, folder: string): Promise<void> {
  const {size} = await stat(path);
  const archive = pack();
  const entry = archive.entry({name: 'file.zst', size, mode: 0o644}, () => archive.finalize());
  await Promise.all([
    pipeline(createReadStream(path, {highWaterMark: 1024 * 1024}), entry),
    session.writeArchive(folder, archive.pipe(new PassThrough())),
  ]);
}
