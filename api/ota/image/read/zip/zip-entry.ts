import {OtaError} from '../../../ota-error.ts';

/** A file of a ZIP archive as the central directory has it. */
export interface ZipEntry {
  readonly name: string;
  readonly crc32: number;
  /** Stored and original size are the same: nothing is compressed. */
  readonly size: number;
  readonly headerOffset: number;
  /** Where what follows it in the archive begins. */
  readonly limit: number;
}

/** Something with a size that can be read at any place. */
export interface RandomAccess {
  readonly size: number;
  /** Exactly `length` bytes; the caller stays within `size`. */
  read(offset: number, length: number): Promise<Buffer>;
}

export function invalidZip(location: string, problem: string): OtaError {
  return new OtaError('ZIP_INVALID', `${location} is not a sound ZIP artifact: ${problem}`);
}
