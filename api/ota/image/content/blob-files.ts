import {createHash, type Hash} from 'node:crypto';
import {join} from 'node:path';
import {crc32} from 'node:zlib';
import {noteNativeBuffer} from '../../native-memory.ts';
import {OtaError} from '../../ota-error.ts';
import type {Sha256Hex} from '../model/digest.ts';
import {blobPath} from '../model/layout.ts';
import {missing} from '../read/blob-errors.ts';
import {FileAccess} from '../read/file-access.ts';
import type {LocalImage} from '../read/image-source.ts';
import {invalidZip} from '../read/zip/zip-entry.ts';

const pieceSize = 1024 * 1024;

interface Place {
  readonly access: FileAccess;
  readonly offset: number;
  readonly size: number;
  /** Undefined in a folder. */
  readonly crc32: number | undefined;
  readonly close: () => void;
}

/** Blobs on this machine, read with blocking calls: for worker threads, or for little. Every byte is checked. */
export class BlobFiles implements Disposable {
  readonly #image: LocalImage;
  readonly #archive: FileAccess | undefined;

  constructor(image: LocalImage) {
    this.#image = image;
    this.#archive = image.kind === 'zip' ? new FileAccess(image.file) : undefined;
  }

  /** All bytes. @throws {OtaError} BLOB_MISSING, BLOB_CORRUPT, ZIP_INVALID */
  whole(hex: Sha256Hex, size: number): Buffer {
    const place = this.#open(hex);
    try {
      checkSize(hex, place.size, size);
      const bytes = place.access.readNow(place.offset, size);
      noteNativeBuffer(size);
      this.#checkCrc(hex, place, place.crc32 === undefined ? 0 : crc32(bytes));
      checkDigest(hex, createHash('sha256').update(bytes));
      return bytes;
    } finally {
      place.close();
    }
  }

  /** The bytes in pieces; the error of a wrong one comes after the last. */
  *pieces(hex: Sha256Hex, size: number): Generator<Buffer> {
    const place = this.#open(hex);
    try {
      checkSize(hex, place.size, size);
      yield* this.#checkedPieces(hex, place);
    } finally {
      place.close();
    }
  }

  /** Reads all of a blob to check it. @returns its size */
  check(hex: Sha256Hex): number {
    const place = this.#open(hex);
    try {
      for (const _piece of this.#checkedPieces(hex, place));
      return place.size;
    } finally {
      place.close();
    }
  }

  [Symbol.dispose](): void {
    this.#archive?.[Symbol.dispose]();
  }

  *#checkedPieces(hex: Sha256Hex, place: Place): Generator<Buffer> {
    const hash = createHash('sha256');
    let crc = 0;
    for (let at = 0; at < place.size; at += pieceSize) {
      const piece = place.access.readNow(place.offset + at, Math.min(pieceSize, place.size - at));
      hash.update(piece);
      if (place.crc32 !== undefined) crc = crc32(piece, crc);
      yield piece;
    }
    this.#checkCrc(hex, place, crc);
    checkDigest(hex, hash);
  }

  #open(hex: Sha256Hex): Place {
    const path = blobPath(hex);
    if (this.#image.kind === 'zip') {
      const entry = this.#image.entries.get(path);
      if (!entry || !this.#archive) throw missing(path, this.#image.file);
      const {dataOffset, size} = entry;
      return {access: this.#archive, offset: dataOffset, size, crc32: entry.crc32, close: () => undefined};
    }
    try {
      const access = new FileAccess(join(this.#image.folder, path));
      const close = () => access[Symbol.dispose]();
      return {access, offset: 0, size: access.size, crc32: undefined, close};
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw missing(path, this.#image.folder);
      throw error;
    }
  }

  #checkCrc(hex: Sha256Hex, place: Place, crc: number): void {
    if (place.crc32 === undefined || place.crc32 === crc) return;
    const location = this.#image.kind === 'zip' ? this.#image.file : this.#image.folder;
    throw invalidZip(location, `the CRC of "${blobPath(hex)}" is wrong`);
  }
}

function checkSize(hex: Sha256Hex, found: number, size: number): void {
  if (found === size) return;
  throw new OtaError('BLOB_CORRUPT', `${blobPath(hex)} has ${found} bytes instead of ${size}`);
}

function checkDigest(hex: Sha256Hex, hash: Hash): void {
  const found = hash.digest('hex');
  if (found !== hex)
    throw new OtaError('BLOB_CORRUPT', `${blobPath(hex)} is broken: its SHA-256 is ${found}`);
}
