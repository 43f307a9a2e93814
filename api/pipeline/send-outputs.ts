import {createReadStream} from 'node:fs';
import {stat} from 'node:fs/promises';
import {join} from 'node:path';
import {Readable, type Writable} from 'node:stream';
import {pipeline} from 'node:stream/promises';
import {pack, type Pack} from 'tar-stream';
import type {WorkFolder} from '../../volumes/artifact-store.ts';
import type {RunContext} from './run-context.ts';

/**
 * Puts files that the client made into a work folder. They travel through the engine's API, which may be on another
 * machine.
 *
 * @param names of files in `folder`.
 */
export async function sendOutputs(
  folder: string,
  names: readonly string[],
  work: WorkFolder,
  {session, signal}: Pick<RunContext, 'session' | 'signal'>,
): Promise<void> {
  const archive = pack();
  const sending = session.writeArchive(work.path, Readable.from(archive));
  try {
    await Promise.all([packFiles(archive, folder, names, signal), sending]);
  } catch (error) {
    archive.destroy();
    await sending.catch(() => undefined);
    throw error;
  }
}

async function packFiles(
  archive: Pack,
  folder: string,
  names: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  for (const name of names) {
    const file = join(folder, name);
    const {size} = await stat(file);
    const entry = archive.entry({name, mode: 0o644, mtime: new Date(0), size});
    await pipeline(createReadStream(file, {highWaterMark: 1024 ** 2}), entry as unknown as Writable, {
      signal,
    });
  }
  archive.finalize();
}
