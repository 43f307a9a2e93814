import {OtaError} from '../../ota-error.ts';

const maxName = 255;
const maxPath = 4096;

/** The paths of a file table, as they are added: knows which are directories. */
export class PathTree {
  readonly #directories = new Set<string>();
  readonly #others = new Set<string>();

  /** Adds a directory, whose parent was added before. @throws {OtaError} PATH_UNSAFE, TABLE_INVALID */
  addDirectory(path: string): void {
    if (path !== '/') this.#check(path);
    if (this.#directories.has(path)) throw twice(path);
    this.#directories.add(path);
  }

  /** Adds anything else. @throws {OtaError} PATH_UNSAFE, TABLE_INVALID */
  add(path: string): void {
    this.#check(path);
    if (this.#directories.has(path) || this.#others.has(path)) throw twice(path);
    this.#others.add(path);
  }

  #check(path: string): void {
    checkPath(path);
    const parent = path.slice(0, path.lastIndexOf('/')) || '/';
    if (parent === '/' || this.#directories.has(parent)) return;
    throw new OtaError(
      'PATH_UNSAFE',
      `${JSON.stringify(path)} does not lie in a directory of the file table`,
    );
  }
}

/** @throws {OtaError} PATH_UNSAFE unless it is absolute, canonical, not the root, and not too long for Linux */
export function checkPath(path: string): void {
  const [first, ...names] = path.split('/');
  const isPlain = names.every(
    (name) => name !== '' && name !== '.' && name !== '..' && Buffer.byteLength(name) <= maxName,
  );
  if (
    first !== '' ||
    names.length === 0 ||
    !isPlain ||
    path.includes('\0') ||
    Buffer.byteLength(path) >= maxPath
  ) {
    throw new OtaError('PATH_UNSAFE', `${JSON.stringify(path)} is not a plain absolute path`);
  }
}

function twice(path: string): OtaError {
  return new OtaError('TABLE_INVALID', `${JSON.stringify(path)} is in the file table twice`);
}
