import {sliceOf, type ByteSource} from './byte-source.ts';
import {DamagedError, stringAt, timeText, type TreeEntry} from './file-system.ts';

const blockBytes = 512;
/** Headers with names, owners and attributes; far more than any real one has. */
const mostHeaderBytes = 16 * 1024 * 1024;

const types: Readonly<Record<string, string>> = {
  '0': 'file',
  '\0': 'file',
  '7': 'file',
  '1': 'hard link',
  '2': 'link',
  '3': 'character device',
  '4': 'block device',
  '5': 'folder',
  '6': 'pipe',
};

/** The entries of a tar in their order; of two with the same name, the last one counts, as it does for tar. */
export async function readTar(source: ByteSource): Promise<ReadonlyMap<string, TreeEntry>> {
  const tree = new Map<string, TreeEntry>();
  let extended = new Map<string, string>();
  let longName: string | undefined;
  let longTarget: string | undefined;
  for (let at = 0; at + blockBytes <= source.sizeBytes;) {
    const header = await source.read(at, blockBytes);
    if (header.every((byte) => byte === 0)) break;
    checkHeader(header, at);
    const type = header.toString('latin1', 156, 157);
    const size = extended.has('size') ? Number(extended.get('size')) : readNumber(header, 124, 12);
    const content = sliceOf(source, at + blockBytes, size);
    if (content.sizeBytes < size) throw new DamagedError(`the tar is cut off at ${at}`);
    at += blockBytes + Math.ceil(size / blockBytes) * blockBytes;
    if ('xgLK'.includes(type)) {
      if (size > mostHeaderBytes) throw new DamagedError('a header of the tar without end');
      const text = await content.read(0, size);
      if (type === 'x') extended = readExtended(text);
      else if (type === 'L') longName = stringAt(text);
      else if (type === 'K') longTarget = stringAt(text);
      continue;
    }
    const path = extended.get('path') ?? longName ?? ustarName(header);
    const target = extended.get('linkpath') ?? longTarget ?? stringAt(header.subarray(157, 257));
    const fields = fieldsOf(header, type, target, extended);
    tree.set(rooted(path), fields.get('type') === 'file' ? {fields, content} : {fields});
    extended = new Map();
    longName = longTarget = undefined;
  }
  return tree;
}

/** Records that have a word of their own elsewhere; the others are known by what tar calls them. */
const extendedNames: Readonly<Record<string, string>> = {atime: 'access time', ctime: 'change time'};

function checkHeader(header: Buffer, at: number): void {
  let sum = 8 * 0x20;
  for (const [index, byte] of header.entries()) if (index < 148 || index >= 156) sum += byte;
  if (sum !== readNumber(header, 148, 8)) throw new DamagedError(`there is no header of a tar at ${at}`);
}

function fieldsOf(
  header: Buffer,
  type: string,
  target: string,
  extended: ReadonlyMap<string, string>,
): Map<string, string> {
  const number = (name: string, at: number, length: number) =>
    Number(extended.get(name) ?? readNumber(header, at, length));
  const fields = new Map([
    ['type', types[type] ?? `type ${type}`],
    ['mode', (readNumber(header, 100, 8) & 0o7777).toString(8).padStart(4, '0')],
    ['uid', String(number('uid', 108, 8))],
    ['gid', String(number('gid', 116, 8))],
    ['owner', extended.get('uname') ?? stringAt(header.subarray(265, 297))],
    ['group', extended.get('gname') ?? stringAt(header.subarray(297, 329))],
    ['mtime', timeText(number('mtime', 136, 12))],
  ]);
  if (type === '1' || type === '2') fields.set('target', target);
  if (type === '3' || type === '4') {
    fields.set('device', `${readNumber(header, 329, 8)}:${readNumber(header, 337, 8)}`);
  }
  for (const [name, value] of extended) {
    if (/^(path|linkpath|size|uid|gid|uname|gname|mtime)$/.test(name)) continue;
    fields.set(extendedNames[name] ?? name, value);
  }
  return fields;
}

/** Records of the form `27 mtime=1700000000.123456\n`; the number is the length of all of it. */
function readExtended(content: Buffer): Map<string, string> {
  const records = new Map<string, string>();
  for (let at = 0; at < content.length;) {
    const space = content.indexOf(0x20, at);
    const length = Number(content.toString('latin1', at, space));
    if (space === -1 || !(length > space - at) || at + length > content.length) {
      throw new DamagedError('a damaged extended header');
    }
    const record = content.subarray(space + 1, at + length - 1);
    const equals = record.indexOf(0x3d);
    // Values may be binary: capabilities of a file are.
    const value = record.subarray(equals + 1);
    const text = value.toString('utf8');
    records.set(
      record.toString('utf8', 0, equals),
      Buffer.from(text).equals(value) ? text : value.toString('hex'),
    );
    at += length;
  }
  return records;
}

function ustarName(header: Buffer): string {
  const prefix =
    header.toString('latin1', 257, 262) === 'ustar' && header[263] !== 0x20
      ? stringAt(header.subarray(345, 500))
      : '';
  const name = stringAt(header.subarray(0, 100));
  return prefix === '' ? name : `${prefix}/${name}`;
}

/** `./etc/hostname` and `etc/hostname` as `/etc/hostname`. */
function rooted(path: string): string {
  return `/${path
    .replace(/^(\.?\/)+/, '')
    .replace(/^\.$/, '')
    .replace(/\/+$/, '')}`;
}

/** An octal number, or a binary one of GNU tar (first bit set). */
function readNumber(header: Buffer, at: number, length: number): number {
  const field = header.subarray(at, at + length);
  if ((field.readUInt8(0) & 0x80) !== 0) {
    return field.subarray(1).reduce((value, byte) => value * 256 + byte, field.readUInt8(0) & 0x7f);
  }
  const text = stringAt(field).trim();
  return text === '' ? 0 : Number.parseInt(text, 8);
}
