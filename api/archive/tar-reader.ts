import {ArchiveError} from './archive-error.ts';
import type {ByteReader} from './byte-reader.ts';
import {
  blockBytes,
  decodeName,
  memberType,
  parsePaxRecords,
  parseTarHeader,
  type TarMemberType,
} from './tar-header.ts';

/** One member of a tar. */
export interface TarMember {
  /** As it is written there, but without a leading `./` and a trailing `/`; the top folder is `.`. */
  readonly path: string;
  readonly type: TarMemberType;
  readonly sizeBytes: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Whole seconds since 1970. */
  readonly mtime: number;
  /** Of a symbolic link as it is written; of a hard link in the form of `path`. */
  readonly linkTarget: string;
  /** Where its content starts in the tar. */
  readonly offset: number;
  /** Its content, which can be asked for once, and only until the next member is asked for. */
  content(): AsyncGenerator<Buffer, void>;
}

/** Names of links and members are far shorter; a header without end must not fill the memory. */
const mostHeaderBytes = 1024 * 1024;

/**
 * The members of a tar in its order: ustar, GNU and pax, without any judgement on their names.
 *
 * @throws ArchiveError when it is damaged or cut off.
 */
export async function* readTarMembers(reader: ByteReader): AsyncGenerator<TarMember, void> {
  let pax = new Map<string, string>();
  let longPath: string | undefined;
  let longTarget: string | undefined;
  for (let first = true; ; first = false) {
    const at = reader.position;
    const block = await reader.read(blockBytes);
    if (block.length === 0 && !first) return;
    if (isZero(block) && block.length === blockBytes) return;
    const header = parseTarHeader(block, at);
    if ('xgLK'.includes(header.typeFlag)) {
      if (header.sizeBytes > mostHeaderBytes) throw new ArchiveError(`the header at byte ${at} has no end`);
      const text = Buffer.from(await reader.read(header.sizeBytes));
      if (text.length < header.sizeBytes) throw cutOff(at);
      await reader.skip(padding(header.sizeBytes));
      if (header.typeFlag === 'x') pax = parsePaxRecords(text);
      else if (header.typeFlag === 'L') longPath = upToZero(text);
      else if (header.typeFlag === 'K') longTarget = upToZero(text);
      continue;
    }
    const type = pax.has('GNU.sparse.major') ? 'sparse-file' : memberType(header.typeFlag);
    const sizeBytes = numberOf(pax, 'size') ?? header.sizeBytes;
    const start = reader.position;
    const target = pax.get('linkpath') ?? longTarget ?? header.linkTarget;
    yield {
      path: plainPath(pax.get('path') ?? longPath ?? header.path),
      type,
      sizeBytes,
      mode: header.mode,
      uid: numberOf(pax, 'uid') ?? header.uid,
      gid: numberOf(pax, 'gid') ?? header.gid,
      mtime: timeOf(pax) ?? header.mtime,
      linkTarget: type === 'hardlink' ? plainPath(target) : target,
      offset: start,
      content: () => reader.pieces(sizeBytes),
    };
    const left = start + sizeBytes - reader.position;
    if ((await reader.skip(left)) < left) throw cutOff(at);
    await reader.skip(padding(sizeBytes));
    pax = new Map();
    longPath = longTarget = undefined;
  }
}

/**
 * Refuses a path that does not stay in the folder it is unpacked to.
 *
 * @throws ArchiveError
 */
export function checkMemberPath(path: string): void {
  if (path === '' || path.includes('\0')) throw new ArchiveError('a member has no name');
  if (path.startsWith('/')) throw new ArchiveError(`${JSON.stringify(path)} is an absolute path`);
  if (path.split('/').includes('..'))
    throw new ArchiveError(`${JSON.stringify(path)} leads out of the archive`);
}

function plainPath(path: string): string {
  const plain = path.replace(/^(?:\.\/+)+/, '').replace(/(?<=.)\/+$/, '');
  return plain === '' ? '.' : plain;
}

function numberOf(pax: ReadonlyMap<string, string>, key: string): number | undefined {
  const text = pax.get(key);
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new ArchiveError(`a pax header gives ${JSON.stringify(text)} as ${key}`);
  }
  return value;
}

/** Pax times have fractions, and may lie before 1970. */
function timeOf(pax: ReadonlyMap<string, string>): number | undefined {
  const seconds = Math.floor(Number(pax.get('mtime') ?? Number.NaN));
  return Number.isSafeInteger(seconds) ? Math.max(0, seconds) : undefined;
}

function padding(sizeBytes: number): number {
  return (blockBytes - (sizeBytes % blockBytes)) % blockBytes;
}

function isZero(block: Buffer): boolean {
  return block.every((byte) => byte === 0);
}

function upToZero(text: Buffer): string {
  const end = text.indexOf(0);
  return decodeName(end === -1 ? text : text.subarray(0, end));
}

function cutOff(at: number): ArchiveError {
  return new ArchiveError(`the archive ends in the middle of the member at byte ${at}`);
}
