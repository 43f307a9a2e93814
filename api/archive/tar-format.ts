import {blockBytes} from './tar-header.ts';

/** What is written about a member; owners are root and times one fixed value unless said otherwise. */
export interface TarEntry {
  readonly path: string;
  readonly type: 'file' | 'folder' | 'symlink' | 'hardlink';
  readonly sizeBytes?: number;
  /** Permission bits; 0644 for files and 0755 for folders when absent. */
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly linkTarget?: string;
  /** Seconds since 1970; 0 when absent. */
  readonly mtime?: number;
}

const flags = {file: '0', hardlink: '1', symlink: '2', folder: '5'} as const;
const modes = {file: 0o644, hardlink: 0o644, symlink: 0o777, folder: 0o755} as const;

/** The largest number that fits into a field of 8 bytes, and into one of 12. */
const mostInSeven = 0o7777777;
const mostInEleven = 0o77777777777;

/** The header of a member: ustar, preceded by a pax header where a value does not fit. */
export function formatTarHeader(entry: TarEntry): Buffer {
  const path = entry.type === 'folder' ? `${entry.path.replace(/\/$/, '')}/` : entry.path;
  const {uid = 0, gid = 0, sizeBytes = 0, mtime = 0, linkTarget = ''} = entry;
  const records = [
    ...(fits(path) ? [] : [['path', path] as const]),
    ...(fits(linkTarget) ? [] : [['linkpath', linkTarget] as const]),
    ...(sizeBytes > mostInEleven ? [['size', String(sizeBytes)] as const] : []),
    ...(uid > mostInSeven ? [['uid', String(uid)] as const] : []),
    ...(gid > mostInSeven ? [['gid', String(gid)] as const] : []),
  ];
  const mode = entry.mode ?? modes[entry.type];
  const header = formatBlock({path, linkTarget, sizeBytes, uid, gid, mtime, mode, flag: flags[entry.type]});
  if (records.length === 0) return header;
  const content = Buffer.concat(records.map(([key, value]) => paxRecord(key, value)));
  const before = formatBlock({
    path: 'PaxHeader',
    linkTarget: '',
    sizeBytes: content.length,
    uid: 0,
    gid: 0,
    mtime,
    mode: 0o644,
    flag: 'x',
  });
  return Buffer.concat([before, content, zerosAfter(content.length), header]);
}

/** The zeros between the end of a content and the next block. */
export function zerosAfter(sizeBytes: number): Buffer {
  return Buffer.alloc((blockBytes - (sizeBytes % blockBytes)) % blockBytes);
}

/** What ends a tar. */
export const endOfTar = Buffer.alloc(2 * blockBytes);

interface Fields {
  readonly path: string;
  readonly linkTarget: string;
  readonly sizeBytes: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: number;
  readonly mode: number;
  readonly flag: string;
}

function formatBlock(fields: Fields): Buffer {
  const block = Buffer.alloc(blockBytes);
  Buffer.from(fields.path).copy(block, 0, 0, 100);
  writeOctal(block, 100, 7, fields.mode);
  writeOctal(block, 108, 7, fields.uid > mostInSeven ? 0 : fields.uid);
  writeOctal(block, 116, 7, fields.gid > mostInSeven ? 0 : fields.gid);
  writeOctal(block, 124, 11, fields.sizeBytes > mostInEleven ? 0 : fields.sizeBytes);
  writeOctal(block, 136, 11, fields.mtime);
  block.fill(0x20, 148, 156);
  block.write(fields.flag, 156, 'latin1');
  Buffer.from(fields.linkTarget).copy(block, 157, 0, 100);
  block.write('ustar\x0000', 257, 'latin1');
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}

function writeOctal(block: Buffer, at: number, digits: number, value: number): void {
  block.write(value.toString(8).padStart(digits, '0'), at, 'latin1');
}

function fits(name: string): boolean {
  return Buffer.byteLength(name) <= 100;
}

function paxRecord(key: string, value: string): Buffer {
  const rest = Buffer.from(` ${key}=${value}\n`);
  let length = rest.length + 1;
  // The number counts its own digits.
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
  return Buffer.concat([Buffer.from(String(length)), rest]);
}
