import {buffer} from 'node:stream/consumers';
import {Readable} from 'node:stream';
import {extract, pack} from 'tar-stream';

/** A regular file for {@link writeTar}. */
export interface TarFile {
  readonly name: string;
  readonly content: Buffer;
  readonly mode?: number;
}

/** Packs small files into a tar, owned by root, dated 1970. */
export async function writeTar(files: readonly TarFile[]): Promise<Buffer> {
  const archive = pack();
  for (const file of files) {
    archive.entry(
      {name: file.name, mode: file.mode ?? 0o644, mtime: new Date(0), size: file.content.length},
      file.content,
    );
  }
  archive.finalize();
  return buffer(archive);
}

/** Reads the regular files of a tar into memory, by base name. For folders of small files only. */
export async function readTarFiles(tar: Readable): Promise<ReadonlyMap<string, Buffer>> {
  const archive = extract();
  const files = new Map<string, Buffer>();
  tar.once('error', (error) => archive.destroy(error));
  tar.pipe(archive);
  for await (const entry of archive) {
    const content = await buffer(entry);
    if (entry.header.type === 'file') files.set(entry.header.name.replace(/^.*\//, ''), content);
  }
  return files;
}

/** Hands out the content of the only file in a tar. */
export async function readTarFile<T>(tar: Readable, read: (content: Readable) => Promise<T>): Promise<T> {
  const archive = extract();
  tar.once('error', (error) => archive.destroy(error));
  tar.pipe(archive);
  try {
    for await (const entry of archive)
      if (entry.header.type === 'file') return await read(Readable.from(entry));
    throw new Error('the engine gave no file');
  } finally {
    tar.destroy();
  }
}
