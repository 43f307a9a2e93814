import {createHash, randomBytes, type Hash} from 'node:crypto';
import {closeSync, existsSync, openSync, renameSync, rmSync, writeFileSync, writeSync} from 'node:fs';
import {join} from 'node:path';
import {OtaError} from '../../ota-error.ts';
import {readContent, type FileContent} from '../../rootfs/file-content.ts';
import {sha256Hex, type Sha256Hex} from '../model/digest.ts';
import {compress, compressChunk, maxChunkBytes} from '../zstd/compress.ts';
import {limits} from './limits.ts';

/** A blob, and whether it is new in the image. */
export interface StoredBlob {
  readonly hex: Sha256Hex;
  readonly size: number;
  readonly isNew: boolean;
}

/** Content whose digest is known: whoever reads it again finds out if it changed. */
export interface KnownContent {
  readonly content: FileContent;
  readonly hex: Sha256Hex;
}

/** Work on blobs that threads do; plain data. `blobs` is the folder of the blobs. */
export type BlobTask =
  | {readonly kind: 'hash'; readonly contents: readonly FileContent[]}
  | {readonly kind: 'press'; readonly blobs: string; readonly contents: readonly FileContent[]}
  | {readonly kind: 'store'; readonly blobs: string; readonly known: KnownContent}
  | {readonly kind: 'compress'; readonly blobs: string; readonly known: KnownContent}
  | {
      readonly kind: 'compress-bytes';
      readonly blobs: string;
      readonly bytes: Uint8Array;
    }
  | {readonly kind: 'chunk'; readonly content: FileContent; readonly offset: number; readonly length: number}
  | {readonly kind: 'bundle'; readonly blobs: string; readonly members: readonly KnownContent[]}
  | {readonly kind: 'slice'; readonly blobs: string; readonly known: KnownContent};

/** What a task gives. */
export interface BlobResults {
  readonly hash: readonly Sha256Hex[];
  /** The digest of each content, and its compressed form as below. */
  readonly press: readonly {readonly hex: Sha256Hex; readonly blob: StoredBlob | undefined}[];
  readonly store: StoredBlob;
  /** Undefined if it is compressed already, or compression does not make it so much smaller. */
  readonly compress: StoredBlob | undefined;
  readonly 'compress-bytes': StoredBlob;
  readonly chunk: {readonly windowByte: number; readonly blocks: Uint8Array};
  readonly bundle: {readonly hex: Sha256Hex; readonly size: number; readonly compressed: StoredBlob};
  readonly slice: readonly StoredBlob[];
}

const pieceBytes = 1024 * 1024;

let sharedRoom: Buffer | undefined;

/** Memory of this thread for what a task reads; tasks run one after the other, and none keeps it. */
function room(): Buffer {
  return (sharedRoom ??= Buffer.allocUnsafe(maxChunkBytes));
}

/** Does a task, with blocking calls: in a thread of its own, or for little. */
export function doBlobTask(task: BlobTask): BlobResults[BlobTask['kind']] {
  switch (task.kind) {
    case 'hash':
      return task.contents.map(hashOf);
    case 'press':
      return task.contents.map((content) => {
        const bytes = readWhole(content, room());
        return {hex: sha256Hex(bytes), blob: storeSmaller(task.blobs, bytes)};
      });
    case 'store':
      return storeContent(task.blobs, task.known);
    case 'compress':
      return storeSmaller(task.blobs, readKnown(task.known, room()));
    case 'compress-bytes':
      return storeBytes(task.blobs, compress(asBuffer(task.bytes)));
    case 'chunk':
      return withFile(task.content, (file) =>
        compressChunk(readContent(task.content, file, task.offset, task.length, room())),
      );
    case 'bundle': {
      const bundle = readBundle(task.members);
      const compressed = storeBytes(task.blobs, compress(bundle));
      return {hex: sha256Hex(bundle), size: bundle.length, compressed};
    }
    case 'slice':
      return storeSlices(task.blobs, task.known);
  }
}

/** Stores the compressed form, if it is so much smaller. */
function storeSmaller(blobs: string, bytes: Buffer): StoredBlob | undefined {
  if (isPacked(bytes)) return undefined;
  const small = compress(bytes);
  return bytes.length / small.length >= limits.minRatio ? storeBytes(blobs, small) : undefined;
}

/** zstd or gzip already, by how it starts. */
export function isPacked(head: Buffer): boolean {
  return head.readUInt32LE(0) === 0xfd2fb528 || head.readUInt16BE(0) === 0x1f8b;
}

/** Stores bytes as a blob, unless it is there already. */
export function storeBytes(blobs: string, bytes: Uint8Array): StoredBlob {
  const hex = sha256Hex(bytes);
  if (existsSync(join(blobs, hex))) return {hex, size: bytes.length, isNew: false};
  const temporary = temporaryPath(blobs);
  try {
    writeFileSync(temporary, bytes, {mode: 0o644});
    renameSync(temporary, join(blobs, hex));
  } catch (error) {
    rmSync(temporary, {force: true});
    throw error;
  }
  return {hex, size: bytes.length, isNew: true};
}

/** A name that nobody takes for a blob. */
export function temporaryPath(blobs: string): string {
  return join(blobs, `tmp_blob_${randomBytes(4).toString('hex')}`);
}

function storeContent(blobs: string, known: KnownContent): StoredBlob {
  const {hex, content} = known;
  const size = content.sizeBytes;
  if (existsSync(join(blobs, hex))) return {hex, size, isNew: false};
  if (size <= pieceBytes) return storeBytes(blobs, readKnown(known));
  const hash = createHash('sha256');
  const stored = withFile(content, (file) => storeRange(blobs, content, file, {from: 0, to: size}, hash));
  if (stored.hex !== hex) {
    if (stored.isNew) rmSync(join(blobs, stored.hex));
    throw changed(content);
  }
  return stored;
}

function storeSlices(blobs: string, known: KnownContent): readonly StoredBlob[] {
  const {content, hex} = known;
  const whole = createHash('sha256');
  const slices: StoredBlob[] = [];
  withFile(content, (file) => {
    for (let from = 0; from < content.sizeBytes; from += limits.sliceBytes) {
      const to = Math.min(from + limits.sliceBytes, content.sizeBytes);
      slices.push(storeRange(blobs, content, file, {from, to}, whole));
    }
  });
  if (whole.digest('hex') !== hex) throw changed(content);
  return slices;
}

/** Copies a part of some content into a blob; `also` sees the bytes as well. */
function storeRange(
  blobs: string,
  content: FileContent,
  file: number,
  range: {readonly from: number; readonly to: number},
  also: Hash,
): StoredBlob {
  const temporary = temporaryPath(blobs);
  const output = openSync(temporary, 'wx', 0o644);
  const hash = createHash('sha256');
  try {
    for (let at = range.from; at < range.to; at += pieceBytes) {
      const piece = readContent(content, file, at, Math.min(pieceBytes, range.to - at), room());
      hash.update(piece);
      also.update(piece);
      writeFully(output, piece);
    }
  } catch (error) {
    rmSync(temporary, {force: true});
    throw error;
  } finally {
    closeSync(output);
  }
  return keep(blobs, temporary, hash.digest('hex') as Sha256Hex, range.to - range.from);
}

/** Gives a finished temporary file its name as a blob. */
export function keep(blobs: string, temporary: string, hex: Sha256Hex, size: number): StoredBlob {
  const isNew = !existsSync(join(blobs, hex));
  if (isNew) renameSync(temporary, join(blobs, hex));
  else rmSync(temporary);
  return {hex, size, isNew};
}

function readBundle(members: readonly KnownContent[]): Buffer {
  const size = members.reduce((sum, {content}) => sum + content.sizeBytes, 0);
  const bundle = size <= maxChunkBytes ? room().subarray(0, size) : Buffer.allocUnsafe(size);
  let at = 0;
  for (const member of members) at += readKnown(member, bundle.subarray(at)).length;
  return bundle;
}

/** All of the content, which must be what it was. */
function readKnown({content, hex}: KnownContent, into?: Buffer): Buffer {
  const bytes = readWhole(content, into);
  if (sha256Hex(bytes) !== hex) throw changed(content);
  return bytes;
}

function readWhole(content: FileContent, into?: Buffer): Buffer {
  return withFile(content, (file) => readContent(content, file, 0, content.sizeBytes, into));
}

function hashOf(content: FileContent): Sha256Hex {
  return withFile(content, (file) => {
    const hash = createHash('sha256');
    for (let at = 0; at < content.sizeBytes; at += pieceBytes) {
      hash.update(readContent(content, file, at, Math.min(pieceBytes, content.sizeBytes - at), room()));
    }
    return hash.digest('hex') as Sha256Hex;
  });
}

export function withFile<T>(content: FileContent, use: (file: number) => T): T {
  const file = openSync(content.file, 'r');
  try {
    return use(file);
  } finally {
    closeSync(file);
  }
}

/** A message between threads turns a Buffer into a Uint8Array. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

export function writeFully(file: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length;) done += writeSync(file, bytes, done);
}

export function changed({file}: FileContent): OtaError {
  return new OtaError('ROOTFS_INVALID', `${file} changed while the image was made`, {
    hint: 'Nothing may write to the root file system meanwhile.',
  });
}
