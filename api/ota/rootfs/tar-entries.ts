import {OtaError} from '../ota-error.ts';

const blockBytes = 512;
/** Headers with names and attributes; far more than any real one has. */
const maxHeaderBytes = 16 * 1024 * 1024;

/** Reads an archive from its start to its end. */
export interface SequentialReader {
  /** Where `read` goes on. */
  readonly position: number;
  /** Fewer bytes only at the end. */
  read(length: number): Promise<Buffer>;
  skip(length: number): Promise<void>;
}

/** An entry as its headers describe it; names in bytes, because they may be anything. */
export interface TarEntry {
  readonly path: Buffer;
  /** The letter of its header: `0` file, `1` hard link, `2` symbolic link, `5` folder, … */
  readonly type: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly linkTarget: Buffer;
  readonly isDevice00: boolean;
  readonly sizeBytes: number;
  /** Where in the archive its content starts. */
  readonly contentStart: number;
  /** In the order of their names. */
  readonly xattrs: ReadonlyMap<string, Uint8Array>;
}

/**
 * Reads the entries of a tar archive: ustar, GNU and pax headers.
 * @throws {OtaError} ROOTFS_INVALID if it is none, is cut off, or holds a file in the form of `tar --sparse`
 */
export async function* readTarEntries(reader: SequentialReader): AsyncGenerator<TarEntry> {
  let pax = new Map<string, Buffer>();
  let longName: Buffer | undefined;
  let longTarget: Buffer | undefined;
  for (;;) {
    const at = reader.position;
    const header = await reader.read(blockBytes);
    if (header.length === 0 && at > 0) return;
    if (header.length < blockBytes) throw invalid(`it is cut off at byte ${at}`);
    if (header.every((byte) => byte === 0)) return;
    checkSum(header, at);
    const type = header.toString('latin1', 156, 157).replace('\0', '0').replace('7', '0');
    const sizeBytes = decimal(pax.get('size')) ?? readNumber(header, 124, 12);
    if (type === 'x' || type === 'L' || type === 'K' || type === 'g') {
      if (sizeBytes > maxHeaderBytes) throw invalid('a header of it is too long');
      const content = await reader.read(sizeBytes);
      if (content.length < sizeBytes) throw invalid('it is cut off in a header');
      await reader.skip(padding(sizeBytes));
      if (type === 'x') pax = readRecords(content);
      else if (type === 'L') longName = untilZero(content);
      else if (type === 'K') longTarget = untilZero(content);
      continue;
    }
    const path = pax.get('path') ?? longName ?? ustarName(header);
    if (type === 'S' || [...pax.keys()].some((key) => key.startsWith('GNU.sparse.'))) {
      throw new OtaError('ROOTFS_INVALID', `The tar archive holds ${path.toString()} in sparse form`, {
        hint: 'Pack it without --sparse.',
      });
    }
    yield {
      path,
      type,
      mode: readNumber(header, 100, 8) & 0o7777,
      uid: decimal(pax.get('uid')) ?? readNumber(header, 108, 8),
      gid: decimal(pax.get('gid')) ?? readNumber(header, 116, 8),
      linkTarget: pax.get('linkpath') ?? longTarget ?? untilZero(header.subarray(157, 257)),
      isDevice00: readNumber(header, 329, 8) === 0 && readNumber(header, 337, 8) === 0,
      sizeBytes,
      contentStart: reader.position,
      xattrs: xattrsOf(pax),
    };
    await reader.skip(sizeBytes + padding(sizeBytes));
    pax = new Map();
    longName = longTarget = undefined;
  }
}

/** Reads a stream as an archive. */
export function streamReader(stream: AsyncIterable<unknown>): SequentialReader {
  const chunks = stream[Symbol.asyncIterator]();
  let rest: Buffer = Buffer.alloc(0);
  let position = 0;
  const more = async (): Promise<boolean> => {
    const next = await chunks.next();
    if (next.done === true) return false;
    rest = rest.length === 0 ? (next.value as Buffer) : Buffer.concat([rest, next.value as Buffer]);
    return true;
  };
  return {
    get position() {
      return position;
    },
    async read(length) {
      while (rest.length < length && (await more()));
      const bytes = rest.subarray(0, length);
      rest = rest.subarray(bytes.length);
      position += bytes.length;
      return bytes;
    },
    async skip(length) {
      for (let left = length; left > 0;) {
        if (rest.length === 0 && !(await more())) return;
        const taken = Math.min(left, rest.length);
        rest = rest.subarray(taken);
        position += taken;
        left -= taken;
      }
    },
  };
}

function xattrsOf(pax: ReadonlyMap<string, Buffer>): ReadonlyMap<string, Uint8Array> {
  const prefix = 'SCHILY.xattr.';
  return new Map(
    [...pax]
      .filter(([key]) => key.startsWith(prefix))
      .map(([key, value]) => [key.slice(prefix.length), value]),
  );
}

/** Records of the form `27 mtime=1700000000.123456\n`; the number is the length of all of it. */
function readRecords(content: Buffer): Map<string, Buffer> {
  const records = new Map<string, Buffer>();
  for (let at = 0; at < content.length;) {
    const space = content.indexOf(0x20, at);
    const length = Number(content.toString('latin1', at, space));
    if (space === -1 || !(length > space - at) || at + length > content.length) {
      throw invalid('an extended header of it is malformed');
    }
    const record = content.subarray(space + 1, at + length - 1);
    const equals = record.indexOf(0x3d);
    if (equals === -1) throw invalid('an extended header of it is malformed');
    records.set(record.toString('utf8', 0, equals), record.subarray(equals + 1));
    at += length;
  }
  return records;
}

function checkSum(header: Buffer, at: number): void {
  let sum = 8 * 0x20;
  for (const [index, byte] of header.entries()) if (index < 148 || index >= 156) sum += byte;
  if (sum !== readNumber(header, 148, 8)) throw invalid(`there is no header at byte ${at}`);
}

function ustarName(header: Buffer): Buffer {
  const name = untilZero(header.subarray(0, 100));
  // GNU tar uses the place of the prefix for other things, and says so by a space.
  if (header.toString('latin1', 257, 262) !== 'ustar' || header[262] === 0x20) return name;
  const prefix = untilZero(header.subarray(345, 500));
  return prefix.length === 0 ? name : Buffer.concat([prefix, Buffer.from('/'), name]);
}

/** An octal number, or a binary one of GNU tar (first bit set). */
function readNumber(header: Buffer, at: number, length: number): number {
  const field = header.subarray(at, at + length);
  if ((field.readUInt8(0) & 0x80) !== 0) {
    return field.subarray(1).reduce((value, byte) => value * 256 + byte, field.readUInt8(0) & 0x7f);
  }
  const text = untilZero(field).toString('latin1').trim();
  return text === '' ? 0 : Number.parseInt(text, 8);
}

function decimal(value: Buffer | undefined): number | undefined {
  return value === undefined ? undefined : Number(value.toString('latin1'));
}

function padding(sizeBytes: number): number {
  return (blockBytes - (sizeBytes % blockBytes)) % blockBytes;
}

function untilZero(bytes: Buffer): Buffer {
  const end = bytes.indexOf(0);
  return end === -1 ? bytes : bytes.subarray(0, end);
}

function invalid(problem: string): OtaError {
  return new OtaError('ROOTFS_INVALID', `The tar archive cannot be read: ${problem}`);
}
