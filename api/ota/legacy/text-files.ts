import {OtaError} from '../ota-error.ts';

/** A line of dirs.txt. Modes have the four permission digits only; the root itself is not listed. */
export interface DirectoryLine {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly path: string;
}

/** A line of symlinks.txt. */
export interface SymlinkLine extends DirectoryLine {
  readonly target: string;
}

/** A line of regulars.txt. */
export interface RegularLine extends DirectoryLine {
  readonly linksCount: number;
  readonly sha256: string;
  /** Since revision 2 of the format. */
  readonly sizeBytes?: number | undefined;
  /** Since revision 3: files with the same one are hard links of each other. */
  readonly inode?: string | undefined;
  /** Since revision 4: `zst` when the content is in the folder of compressed files. */
  readonly compression?: string | undefined;
}

const quoted = String.raw`'(?:[^']|'\\'')*'`;
const owner = String.raw`(?<mode>[0-7]{1,5}),(?<uid>\d{1,10}),(?<gid>\d{1,10})`;
const directoryPattern = new RegExp(`^${owner},(?<path>${quoted})$`, 's');
const symlinkPattern = new RegExp(`^${owner},(?<path>${quoted}),(?<target>${quoted})$`, 's');
const regularPattern = new RegExp(
  String.raw`^${owner},(?<links>\d{1,10}),(?<sha256>[0-9a-f]{64}),(?<path>${quoted})` +
    String.raw`(?:,(?<size>\d{0,16})(?:,(?<inode>\d*)(?:,(?<compression>\w*))?)?)?$`,
  's',
);
const persistentPattern = new RegExp(`^(?<path>${quoted})$`, 's');

/** @throws {OtaError} METADATA_INVALID */
export function parseDirectory(line: string): DirectoryLine {
  return ownerOf(match(directoryPattern, line, 'dirs.txt'));
}

/** @throws {OtaError} METADATA_INVALID */
export function parseSymlink(line: string): SymlinkLine {
  const groups = match(symlinkPattern, line, 'symlinks.txt');
  return {...ownerOf(groups), target: unquote(groups['target'] ?? '')};
}

/** @throws {OtaError} METADATA_INVALID */
export function parseRegular(line: string): RegularLine {
  const groups = match(regularPattern, line, 'regulars.txt');
  const {links = '', sha256 = '', size, inode, compression} = groups;
  return {
    ...ownerOf(groups),
    linksCount: Number(links),
    sha256,
    ...(size && {sizeBytes: Number(size)}),
    ...(inode && {inode}),
    ...(compression && {compression}),
  };
}

/** @throws {OtaError} METADATA_INVALID */
export function parsePersistent(line: string): string {
  return unquote(match(persistentPattern, line, 'persistents.txt')['path'] ?? '');
}

export function printDirectory({mode, uid, gid, path}: DirectoryLine): string {
  return `${(mode & 0o7777).toString(8).padStart(4, '0')},${uid},${gid},${quotePath(path)}`;
}

export function printSymlink(line: SymlinkLine): string {
  return `${printDirectory(line)},${quotePath(line.target)}`;
}

/** With all commas, as the generator of the reference writes them. */
export function printRegular(line: RegularLine): string {
  const {mode, uid, gid, linksCount, sha256, path, sizeBytes, inode, compression} = line;
  const digits = (mode & 0o7777).toString(8).padStart(4, '0');
  const tail = [sizeBytes ?? '', inode ?? '', compression ?? ''].join(',');
  return `${digits},${uid},${gid},${linksCount},${sha256},${quotePath(path)},${tail}`;
}

/** A path in single quotes; of all characters only the quote itself is escaped, as shells do it. */
export function quotePath(path: string): string {
  if (/[\n\r]/.test(path)) {
    throw new OtaError(
      'PATH_UNSAFE',
      `${JSON.stringify(path)} has a line break, which the legacy format cannot hold`,
    );
  }
  return `'${path.replaceAll("'", String.raw`'\''`)}'`;
}

/** The lines of one of the text files; an empty file has none. */
export function parseLines<T>(text: string, parse: (line: string) => T): T[] {
  return text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => parse(line.replace(/\r$/, '')));
}

/** One of the text files: no line break at its end, as the generator of the reference writes it. */
export function printLines<T>(entries: readonly T[], print: (entry: T) => string): string {
  return entries.map(print).join('\n');
}

function unquote(text: string): string {
  return text.slice(1, -1).replaceAll(String.raw`'\''`, "'");
}

function ownerOf({mode = '', uid = '', gid = '', path = ''}: Groups): DirectoryLine {
  return {mode: Number.parseInt(mode, 8) & 0o7777, uid: Number(uid), gid: Number(gid), path: unquote(path)};
}

type Groups = Readonly<Record<string, string | undefined>>;

function match(pattern: RegExp, line: string, file: string): Groups {
  const groups = pattern.exec(line)?.groups;
  if (groups === undefined) {
    throw new OtaError(
      'METADATA_INVALID',
      `${file} has a line that is not understood: ${JSON.stringify(line.slice(0, 200))}`,
    );
  }
  return groups;
}
