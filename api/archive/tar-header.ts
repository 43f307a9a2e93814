import {ArchiveError} from './archive-error.ts';

/** Headers and contents of a tar come in blocks of this many bytes. */
export const blockBytes = 512;

export type TarMemberType =
  | 'file'
  | 'folder'
  | 'symlink'
  | 'hardlink'
  | 'character-device'
  | 'block-device'
  | 'fifo'
  | 'sparse-file'
  | 'other';

/** The fixed part of a member's header; names of more than 100 bytes come from elsewhere. */
export interface TarHeader {
  readonly path: string;
  readonly linkTarget: string;
  /** As it stands in the header: `0`, `5`, `x`, `L`, … */
  readonly typeFlag: string;
  readonly sizeBytes: number;
  /** Permission bits only. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Seconds since 1970. */
  readonly mtime: number;
}

const types: Readonly<Record<string, TarMemberType>> = {
  '0': 'file',
  '\0': 'file',
  '7': 'file',
  '1': 'hardlink',
  '2': 'symlink',
  '3': 'character-device',
  '4': 'block-device',
  '5': 'folder',
  '6': 'fifo',
  S: 'sparse-file',
};

export function memberType(typeFlag: string): TarMemberType {
  return types[typeFlag] ?? 'other';
}

/**
 * Reads one header block (POSIX.1-1988 ustar and the GNU variant).
 *
 * @throws ArchiveError when its checksum is wrong.
 */
export function parseTarHeader(block: Buffer, position: number): TarHeader {
  let sum = 8 * 0x20;
  for (let index = 0; index < blockBytes; index++) {
    if (index < 148 || index >= 156) sum += block[index] ?? 0;
  }
  if (block.length < blockBytes || sum !== readNumber(block, 148, 8)) {
    throw new ArchiveError(`there is no tar header at byte ${position}`);
  }
  const isPosix = block.toString('latin1', 257, 263) === 'ustar\0';
  const prefix = isPosix ? textAt(block, 345, 155) : '';
  const name = textAt(block, 0, 100);
  return {
    path: prefix === '' ? name : `${prefix}/${name}`,
    linkTarget: textAt(block, 157, 100),
    typeFlag: block.toString('latin1', 156, 157),
    sizeBytes: readNumber(block, 124, 12),
    mode: readNumber(block, 100, 8) & 0o7777,
    uid: readNumber(block, 108, 8),
    gid: readNumber(block, 116, 8),
    mtime: readNumber(block, 136, 12),
  };
}

/**
 * Records of a pax header: `27 mtime=1700000000.123456\n`, where the number is the length of all of it.
 *
 * @throws ArchiveError for anything else.
 */
export function parsePaxRecords(content: Buffer): Map<string, string> {
  const records = new Map<string, string>();
  for (let at = 0; at < content.length;) {
    const space = content.indexOf(0x20, at);
    const length = space === -1 ? Number.NaN : Number(content.toString('latin1', at, space));
    if (!(length > space - at) || at + length > content.length) {
      throw new ArchiveError('a pax header is damaged');
    }
    const record = content.subarray(space + 1, at + length - 1);
    const equals = record.indexOf(0x3d);
    const key = record.toString('utf8', 0, equals);
    const value = record.subarray(equals + 1);
    // Attributes of files may be binary, and nobody here reads them.
    records.set(key, key === 'path' || key === 'linkpath' ? decodeName(value) : value.toString('utf8'));
    at += length;
  }
  return records;
}

/** A name, which must be UTF-8: that is what every format here stores. */
export function decodeName(bytes: Buffer): string {
  const text = bytes.toString('utf8');
  if (text.includes('\ufffd') && !Buffer.from(text).equals(bytes)) {
    throw new ArchiveError(`the name ${JSON.stringify(text)} is not UTF-8`);
  }
  return text;
}

function textAt(block: Buffer, at: number, length: number): string {
  const field = block.subarray(at, at + length);
  const end = field.indexOf(0);
  return decodeName(end === -1 ? field : field.subarray(0, end));
}

/** An octal number, or a binary one of GNU tar (first bit set). */
function readNumber(block: Buffer, at: number, length: number): number {
  const field = block.subarray(at, at + length);
  if (((field[0] ?? 0) & 0x80) !== 0) {
    return field.subarray(1).reduce((value, byte) => value * 256 + byte, (field[0] ?? 0) & 0x7f);
  }
  const text = field
    .toString('latin1')
    .replaceAll(/[\0 ]+/g, ' ')
    .trim();
  if (!/^[0-7]*$/.test(text)) throw new ArchiveError(`"${text}" in a tar header is not a number`);
  return text === '' ? 0 : Number.parseInt(text, 8);
}
