import type {ChecksumAlgorithm} from './download-request.ts';
import {HashingFile, type Digests} from './hashing-file.ts';
import {ThreadedSink} from './threaded-sink.ts';

/** Where the bytes of a download go: into a file, hashed on the way. */
export interface FileSink {
  /** The bytes may change once it has resolved. Fails with the error of the file system. */
  write(bytes: Uint8Array): Promise<void>;
  /** Closes the file. */
  finish(): Promise<Digests>;
  /** Closes the file; what was given to `write` is kept in it, to go on with. */
  abandon(): Promise<void>;
}

/** Below that a thread takes longer to start than to work. */
const threadFromBytes = 8 * 1024 * 1024;

/**
 * @param start So many bytes that are there already stay, and are hashed.
 * @param expectedBytes How many come; undefined when nobody knows.
 * @param algorithms Besides SHA-256.
 */
export async function openSink(
  path: string,
  start: number,
  expectedBytes: number | undefined,
  algorithms: readonly ChecksumAlgorithm[],
): Promise<FileSink> {
  if (start + (expectedBytes ?? Infinity) >= threadFromBytes)
    return ThreadedSink.open({path, start, algorithms});
  const file = new HashingFile(path, start, algorithms);
  return {
    write: (bytes) => promised(() => file.write(bytes)),
    finish: () => promised(() => file.finish()),
    abandon: () => promised(() => file.close()),
  };
}

/** What it throws becomes a rejection. */
function promised<T>(work: () => T): Promise<T> {
  return new Promise((resolve) => {
    resolve(work());
  });
}
