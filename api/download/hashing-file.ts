import {closeSync, ftruncateSync, openSync, readSync, writeSync} from 'node:fs';
import {createDigester, type Digester} from './checksum.ts';
import type {ChecksumAlgorithm} from './download-request.ts';

/** Digests in hex, by algorithm; sha-256 is always there. */
export type Digests = Readonly<Partial<Record<ChecksumAlgorithm, string>>> & {readonly 'sha-256': string};

const pieceBytes = 1024 * 1024;

/**
 * A file that is hashed while it is written. It works synchronously: for small files that is the fastest way, and large
 * ones have a thread for it.
 */
export class HashingFile {
  readonly #fd: number;
  readonly #digesters: ReadonlyMap<ChecksumAlgorithm, Digester>;
  #position: number;
  #isOpen = true;

  /**
   * @param start So many bytes that are there already stay, and are hashed; what comes after them is cut off.
   * @param algorithms Besides SHA-256.
   */
  constructor(path: string, start: number, algorithms: readonly ChecksumAlgorithm[]) {
    this.#digesters = new Map(
      ['sha-256' as const, ...algorithms].map((algorithm) => [algorithm, createDigester(algorithm)]),
    );
    this.#fd = openSync(path, start > 0 ? 'r+' : 'w', 0o644);
    this.#position = start;
    try {
      if (start > 0) {
        ftruncateSync(this.#fd, start);
        this.#hashBeginning(start);
      }
    } catch (error) {
      this.close();
      throw error;
    }
  }

  write(bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length;) {
      done += writeSync(this.#fd, bytes, done, bytes.length - done, this.#position + done);
    }
    for (const digester of this.#digesters.values()) digester.update(bytes);
    this.#position += bytes.length;
  }

  /** Closes the file. */
  finish(): Digests {
    this.close();
    return Object.fromEntries(
      [...this.#digesters].map(([algorithm, digester]) => [algorithm, digester.digest('hex')]),
    ) as unknown as Digests;
  }

  /** May be called again. */
  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    closeSync(this.#fd);
  }

  #hashBeginning(length: number): void {
    const buffer = Buffer.allocUnsafe(Math.min(pieceBytes, length));
    for (let done = 0; done < length;) {
      const count = readSync(this.#fd, buffer, 0, Math.min(buffer.length, length - done), done);
      if (count === 0) throw new Error(`the part of an earlier run ends after ${done} of ${length} bytes`);
      for (const digester of this.#digesters.values()) digester.update(buffer.subarray(0, count));
      done += count;
    }
  }
}
