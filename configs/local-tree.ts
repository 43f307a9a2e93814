import {createHash} from 'node:crypto';
import {createReadStream} from 'node:fs';
import {lstat, readdir, readlink, realpath} from 'node:fs/promises';
import {join, relative, sep} from 'node:path';

/** A file, folder or link of a {@link LocalTree}. */
export interface LocalEntry {
  readonly type: 'file' | 'folder' | 'link';
  /** Relative to the tree, with `/`; empty for the one entry of a tree that is a single file. */
  readonly path: string;
  /** Of a file: where it lies on this machine, absolute. */
  readonly source: string;
  readonly sizeBytes: number;
  /** Of a file: whether its owner may execute it. The rest of the mode is the checkout's, and does not count. */
  readonly executable: boolean;
  /** Of a file: hex SHA-256 of its content; of a link: where it leads; else empty. */
  readonly content: string;
}

/** A file or folder of the user's, as it was when the configuration was read. */
export interface LocalTree {
  /** Hex SHA-256: of the content for a single file, else over names, content and executable bits. */
  readonly digest: string;
  /** Sorted by path, by code unit. */
  readonly entries: readonly LocalEntry[];
}

/** Why something beside configs.json cannot be used; the message is the rest of a sentence that names it. */
export class LocalTreeError extends Error {
  override readonly name = 'LocalTreeError';
}

/**
 * Reads the file or folder `path` below `folder`, and every byte of it.
 *
 * @throws LocalTreeError when it is not there, is of another kind, leads out of `folder`, or has something in it that is
 *   no file, folder or link.
 */
export async function readLocalTree(
  folder: string,
  path: string,
  kind: 'file' | 'folder',
): Promise<LocalTree> {
  const source = await realpath(join(folder, path)).catch((error: unknown) => {
    throw new LocalTreeError(
      codeOf(error) === 'ENOENT' ? `does not exist in ${folder}` : `cannot be read (${codeOf(error)})`,
    );
  });
  const inside = relative(await realpath(folder), source);
  if (inside === '..' || inside.startsWith(`..${sep}`)) {
    throw new LocalTreeError(`is a link that leads out of ${folder}`);
  }
  const stats = await lstat(source);
  if (kind === 'file') {
    if (!stats.isFile()) throw new LocalTreeError('is not a file');
    const entry = await fileEntry(source, '');
    return {digest: entry.content, entries: [entry]};
  }
  if (!stats.isDirectory()) throw new LocalTreeError('is not a folder');
  const entries = await readFolder(source, '');
  entries.sort((a, b) => (a.path < b.path ? -1 : 1));
  const lines = entries.map(({type, path: name, executable, content}) => [type, name, executable, content]);
  return {digest: createHash('sha256').update(JSON.stringify(lines)).digest('hex'), entries};
}

async function readFolder(root: string, path: string): Promise<LocalEntry[]> {
  const found: LocalEntry[] = [];
  for (const item of await readdir(join(root, path), {withFileTypes: true}).catch(unreadable(path))) {
    const name = path === '' ? item.name : `${path}/${item.name}`;
    const source = join(root, name);
    if (/[\p{Cc}\p{Cs}\ufffd\\]/u.test(item.name)) {
      throw new LocalTreeError(`has a file whose name cannot be used: ${JSON.stringify(name)}`);
    }
    const common = {path: name, source, sizeBytes: 0, executable: false, content: ''};
    if (item.isDirectory()) {
      found.push({...common, type: 'folder'}, ...(await readFolder(root, name)));
    } else if (item.isSymbolicLink()) {
      found.push({...common, type: 'link', content: await readlink(source)});
    } else if (item.isFile()) {
      found.push(await fileEntry(source, name));
    } else {
      throw new LocalTreeError(`has ${JSON.stringify(name)} in it, which is no file, folder or link`);
    }
  }
  return found;
}

async function fileEntry(source: string, path: string): Promise<LocalEntry> {
  const {size, mode} = await lstat(source);
  const hash = createHash('sha256');
  try {
    for await (const chunk of createReadStream(source, {highWaterMark: 1024 ** 2}))
      hash.update(chunk as Buffer);
  } catch (error) {
    unreadable(path)(error);
  }
  return {
    type: 'file',
    path,
    source,
    sizeBytes: size,
    executable: (mode & 0o100) !== 0,
    content: hash.digest('hex'),
  };
}

function unreadable(path: string): (error: unknown) => never {
  return (error) => {
    throw new LocalTreeError(`cannot be read${path === '' ? '' : ` at ${path}`} (${codeOf(error)})`);
  };
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error);
}
