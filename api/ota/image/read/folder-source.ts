import {open, readdir, readFile, stat} from 'node:fs/promises';
import {join} from 'node:path';
import {OtaError} from '../../ota-error.ts';
import {layout, ociLayoutText} from '../model/layout.ts';
import {tooLong} from './blob-errors.ts';
import type {ImageSource, LocalImage} from './image-source.ts';

const pieceSize = 1024 * 1024;

/** An image in a folder. */
export class FolderSource implements ImageSource {
  readonly kind = 'folder';
  readonly location: string;
  readonly local: LocalImage;
  readonly #files: ReadonlyMap<string, number>;

  private constructor(folder: string, files: ReadonlyMap<string, number>) {
    this.location = folder;
    this.local = {kind: 'folder', folder};
    this.#files = files;
  }

  /** @throws {OtaError} NOT_AN_IMAGE unless it has oci-layout, index.json and blobs/sha256 */
  static async open(folder: string): Promise<FolderSource> {
    await checkLayout(folder);
    return new FolderSource(folder, await listFiles(folder));
  }

  async read(path: string, limit: number): Promise<AsyncIterable<Uint8Array> | undefined> {
    try {
      const handle = await open(join(this.location, path), 'r');
      const {size} = await handle.stat();
      if (size > limit) {
        await handle.close();
        throw tooLong(path, limit);
      }
      return handle.createReadStream({highWaterMark: pieceSize}) as AsyncIterable<Uint8Array>;
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }

  files(): ReadonlyMap<string, number> {
    return this.#files;
  }

  /** Nothing is held open: each file is closed by its stream. */
  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }
}

async function checkLayout(folder: string): Promise<void> {
  const refuse = (problem: string) =>
    new OtaError('NOT_AN_IMAGE', `${folder} doesn't hold a valid OTA image: ${problem}`);
  let text: string;
  try {
    text = await readFile(join(folder, layout.ociLayout), 'utf8');
  } catch {
    throw refuse(`it has no ${layout.ociLayout}`);
  }
  if (!isLayout(text)) throw refuse(`its ${layout.ociLayout} is not ${ociLayoutText}`);
  if (!(await isKind(join(folder, layout.index), 'isFile'))) throw refuse(`it has no ${layout.index}`);
  if (!(await isKind(join(folder, layout.blobs), 'isDirectory'))) throw refuse(`it has no ${layout.blobs}/`);
}

/** Whether the text of an oci-layout is the one object that it may be, in any spelling. */
export function isLayout(text: string): boolean {
  try {
    return JSON.stringify(JSON.parse(text)) === JSON.stringify(JSON.parse(ociLayoutText));
  } catch {
    return false;
  }
}

async function isKind(path: string, kind: 'isFile' | 'isDirectory'): Promise<boolean> {
  try {
    return (await stat(path))[kind]();
  } catch {
    return false;
  }
}

/** The top-level files and the blobs; sizes are looked up in one go, because thousands of single calls take long. */
async function listFiles(folder: string): Promise<Map<string, number>> {
  const files = new Map<string, number>();
  for (const place of ['', `${layout.blobs}/`]) {
    const entries = await readdir(join(folder, place), {withFileTypes: true});
    const names = entries.filter((entry) => !entry.isDirectory()).map(({name}) => name);
    const sizes = await Promise.all(names.map(async (name) => (await stat(join(folder, place, name))).size));
    for (const [index, name] of names.entries()) files.set(place + name, sizes[index] ?? 0);
  }
  return files;
}

function isMissing(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code;
  return code === 'ENOENT' || code === 'ENOTDIR' || code === 'EISDIR';
}
