import {posix} from 'node:path';
import {promisify} from 'node:util';
import * as zlib from 'node:zlib';
import {open as openZip, type Entry, type ZipFile} from 'yauzl';
import {ArchiveError} from '../archive/archive-error.ts';
import {StreamByteReader} from '../archive/byte-reader.ts';
import {decompressFile, detectCompression} from '../archive/decompress.ts';
import {checkMemberPath, readTarMembers} from '../archive/tar-reader.ts';
import type {FileAttributes} from '../disk/ext4-inode.ts';

/** Something in an archive, on its way into the image. */
export interface ContentMember {
  /** Inside the archive, without `.` and `..`. */
  readonly path: string;
  readonly type: 'file' | 'folder' | 'symlink' | 'hardlink';
  readonly attributes: FileAttributes;
  readonly sizeBytes: number;
  /** Of a hard link a path like `path`. */
  readonly linkTarget: string;
  /** Can be asked for once, until the next member is asked for. */
  content(): AsyncIterable<Uint8Array>;
}

/** What file managers leave behind, which nobody means to publish. */
const litter =
  /^(?:__MACOSX|.*~|\.fuse_hidden.*|\.directory|\.Trash-.*|\.nfs.*|\.DS_Store|\.AppleDouble|\.LSOverride|\._.*|\.Spotlight-V100|\.Trashes|Thumbs\.db|desktop\.ini|\$RECYCLE\.BIN|.*\.lnk|.*\.icloud|.*\.stackdump)$/;

/**
 * The members of an archive, without litter.
 *
 * @throws ArchiveError when it is damaged, or has members that would leave the folder they are unpacked to.
 */
export async function* readArchive(path: string, kind: 'tar' | 'zip'): AsyncGenerator<ContentMember, void> {
  for await (const member of kind === 'zip' ? readZip(path) : readTar(path)) {
    if (member.path === '.' || member.path.split('/').some((name) => litter.test(name))) continue;
    if (member.type === 'symlink') checkLink(member);
    yield member;
  }
}

async function* readTar(path: string): AsyncGenerator<ContentMember, void> {
  const stream = decompressFile(path, await detectCompression(path));
  for await (const member of readTarMembers(new StreamByteReader(stream))) {
    if (member.path === '.') continue;
    checkMemberPath(member.path);
    const {type, mode, uid, gid, mtime, sizeBytes} = member;
    if (type !== 'file' && type !== 'folder' && type !== 'symlink' && type !== 'hardlink') {
      const what = type === 'sparse-file' ? 'a file with holes; pack it without tar --sparse' : `a ${type}`;
      throw new ArchiveError(`${JSON.stringify(member.path)} is ${what}`);
    }
    if (type === 'hardlink') checkMemberPath(member.linkTarget);
    yield {
      path: plain(member.path),
      type,
      attributes: {mode, uid, gid, mtime},
      sizeBytes,
      linkTarget: type === 'hardlink' ? plain(member.linkTarget) : member.linkTarget,
      content: () => member.content(),
    };
  }
}

async function* readZip(path: string): AsyncGenerator<ContentMember, void> {
  const zip = await promisify<string, object, ZipFile>(openZip)(path, {
    lazyEntries: true,
    autoClose: false,
  }).catch((error: unknown) => {
    throw new ArchiveError((error as Error).message);
  });
  try {
    for await (const entry of entriesOf(zip)) yield await toMember(zip, entry);
  } finally {
    zip.close();
  }
}

async function* entriesOf(zip: ZipFile): AsyncGenerator<Entry, void> {
  for (;;) {
    const entry = await new Promise<Entry | undefined>((resolve, reject) => {
      const settle = (found?: Entry, error?: Error) => {
        zip.removeAllListeners();
        if (error === undefined) resolve(found);
        else reject(new ArchiveError(error.message));
      };
      zip.once('entry', (found: Entry) => settle(found));
      zip.once('end', () => settle());
      zip.once('error', (error: Error) => settle(undefined, error));
      zip.readEntry();
    });
    if (entry === undefined) return;
    yield entry;
  }
}

const unixSystem = 3;
const folderType = 0o040000;
const linkType = 0o120000;

async function toMember(zip: ZipFile, entry: Entry): Promise<ContentMember> {
  checkMemberPath(entry.fileName.replace(/(?<=.)\/$/, ''));
  const unix = entry.versionMadeBy >>> 8 === unixSystem ? entry.externalFileAttributes >>> 16 : 0;
  const isFolder = entry.fileName.endsWith('/') || (unix & 0o170000) === folderType;
  const type = isFolder ? 'folder' : (unix & 0o170000) === linkType ? 'symlink' : 'file';
  const mode = unix & 0o7777 || (isFolder ? 0o755 : 0o644);
  // Times in a zip are local to whoever made it; read as UTC they are the same everywhere.
  const mtime = Math.max(0, Math.floor(zipTime(entry.lastModFileDate, entry.lastModFileTime) / 1000));
  if (entry.isEncrypted()) throw new ArchiveError(`${JSON.stringify(entry.fileName)} is encrypted`);
  let linkTarget = '';
  if (type === 'symlink') {
    if (entry.uncompressedSize > 4096)
      throw new ArchiveError(`${JSON.stringify(entry.fileName)} is a link without end`);
    const pieces: Buffer[] = [];
    for await (const piece of contentOf(zip, entry)) pieces.push(piece);
    linkTarget = Buffer.concat(pieces).toString('utf8');
  }
  return {
    path: plain(entry.fileName),
    type,
    attributes: {mode, uid: 0, gid: 0, mtime},
    sizeBytes: entry.uncompressedSize,
    linkTarget,
    content: () => contentOf(zip, entry),
  };
}

/** The bytes of a file; yauzl checks how many there are, and not what they are. */
async function* contentOf(zip: ZipFile, entry: Entry): AsyncGenerator<Buffer, void> {
  let sum = 0;
  try {
    const open = promisify((done: Parameters<ZipFile['openReadStream']>[1]) => {
      zip.openReadStream(entry, done);
    });
    for await (const chunk of await open()) {
      sum = crc32(chunk as Buffer, sum);
      yield chunk as Buffer;
    }
  } catch (error) {
    throw new ArchiveError(`${JSON.stringify(entry.fileName)}: ${(error as Error).message}`);
  }
  if (sum !== entry.crc32)
    throw new ArchiveError(`${JSON.stringify(entry.fileName)} does not have the checksum of the zip`);
}

function crc32(bytes: Buffer, before: number): number {
  return zlib.crc32(bytes, before);
}

/** MS-DOS date and time (PKWARE, APPNOTE 4.4.6) as milliseconds since 1970. */
function zipTime(date: number, time: number): number {
  return Date.UTC(
    1980 + (date >>> 9),
    ((date >>> 5) & 15) - 1,
    date & 31,
    time >>> 11,
    (time >>> 5) & 63,
    (time & 31) * 2,
  );
}

/** A link must not lead out of the archive, wherever it is unpacked to. */
function checkLink({path, linkTarget}: ContentMember): void {
  const target = posix.normalize(posix.join(posix.dirname(path), linkTarget));
  if (
    linkTarget === '' ||
    linkTarget.includes('\0') ||
    linkTarget.startsWith('/') ||
    target.split('/')[0] === '..'
  )
    throw new ArchiveError(
      `the link ${JSON.stringify(path)} leads out of the archive, to ${JSON.stringify(linkTarget)}`,
    );
}

function plain(path: string): string {
  return posix.normalize(path).replace(/(?<=.)\/+$/, '');
}
