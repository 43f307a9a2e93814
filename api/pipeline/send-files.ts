import {createHash} from 'node:crypto';
import {createReadStream} from 'node:fs';
import {pipeline} from 'node:stream/promises';
import {Readable, Transform} from 'node:stream';
import {pack, type Pack} from 'tar-stream';
import type {LocalEntry} from '../../configs/local-tree.ts';
import type {WorkFolder} from '../../volumes/artifact-store.ts';
import type {Step, StepFile} from '../components/step.ts';
import type {EngineSession} from '../engine/session.ts';
import {PipelineError} from '../errors.ts';

/** Where a container finds what configs.json names, below its work folder. */
export const filesFolder = '.files';

/**
 * Puts the files beside configs.json that a step needs into its work folder. They travel through the engine's API, so
 * that the engine may be on another machine and no container sees a folder of the user's.
 *
 * @throws PipelineError `INPUT_CHANGED` when one of them is not any more what it was when the configuration was read.
 */
export async function sendFiles(
  step: Step,
  work: WorkFolder,
  session: Pick<EngineSession, 'writeArchive'>,
): Promise<void> {
  await packFilesFor(step, (tar) => session.writeArchive(work.path, tar));
}

/**
 * Packs the files beside configs.json that a step needs as a tar, in which they lie below {@link filesFolder}.
 *
 * @param send takes the tar; not called when there are none.
 * @throws PipelineError `INPUT_CHANGED`.
 */
export async function packFilesFor(step: Step, send: (tar: Readable) => Promise<void>): Promise<void> {
  if (step.files === undefined || step.files.length === 0) return;
  const archive = pack();
  const sending = send(Readable.from(archive));
  try {
    await Promise.all([packFiles(archive, step.files), sending]);
  } catch (error) {
    archive.destroy();
    await sending.catch(() => undefined);
    throw error;
  }
}

async function packFiles(archive: Pack, files: readonly StepFile[]): Promise<void> {
  try {
    const folders = new Set<string>();
    for (const file of files) {
      for (const folder of parents(`${filesFolder}/${file.path}`)) {
        if (folders.has(folder)) continue;
        folders.add(folder);
        archive.entry({...header(folder), type: 'directory', mode: 0o755});
      }
      const root = `${filesFolder}/${file.path}`;
      if (file.tree.entries[0]?.path !== '') archive.entry({...header(root), type: 'directory', mode: 0o755});
      for (const entry of file.tree.entries) {
        await packEntry(archive, entry.path === '' ? root : `${root}/${entry.path}`, entry, file.field);
      }
    }
    archive.finalize();
  } catch (error) {
    archive.destroy(error as Error);
    throw error;
  }
}

async function packEntry(archive: Pack, name: string, entry: LocalEntry, field: string): Promise<void> {
  switch (entry.type) {
    case 'folder':
      archive.entry({...header(name), type: 'directory', mode: 0o755});
      return;
    case 'link':
      archive.entry({...header(name), type: 'symlink', linkname: entry.content});
      return;
    case 'file': {
      const sink = archive.entry({
        ...header(name),
        mode: entry.executable ? 0o755 : 0o644,
        size: entry.sizeBytes,
      });
      const changed = () =>
        new PipelineError('INPUT_CHANGED', `${entry.source} (${field}) has changed since the build began`, {
          hint: 'Run the same command again when nothing writes to it.',
        });
      const hash = createHash('sha256');
      let bytes = 0;
      const check = new Transform({
        transform(chunk: Buffer, _encoding, done) {
          hash.update(chunk);
          bytes += chunk.length;
          // The header has promised a size; the archive would not end.
          done(bytes > entry.sizeBytes ? changed() : null, chunk);
        },
        flush(done) {
          done(bytes === entry.sizeBytes && hash.digest('hex') === entry.content ? null : changed());
        },
      });
      await pipeline(createReadStream(entry.source, {highWaterMark: 1024 ** 2}), check, sink);
    }
  }
}

function header(name: string) {
  return {name, mtime: new Date(0), uid: 0, gid: 0};
}

/** `a` and `a/b` of `a/b/c`. */
function parents(path: string): string[] {
  const parts = path.split('/').slice(0, -1);
  return parts.map((_, index) => parts.slice(0, index + 1).join('/'));
}
