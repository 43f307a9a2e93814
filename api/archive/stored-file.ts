import {closeSync, openSync, readSync} from 'node:fs';
import {open} from 'node:fs/promises';

/** Bytes that lie somewhere in a file of this machine. */
export interface StoredFile {
  /** The file that holds them. */
  readonly path: string;
  readonly offset: number;
  readonly sizeBytes: number;
  /** SHA-256 in hex where somebody has computed it already. */
  readonly sha256?: string | undefined;
}

/** Reads all of a small file. */
export function readStored({path, offset, sizeBytes}: StoredFile): Buffer {
  const fd = openSync(path, 'r');
  try {
    const bytes = Buffer.allocUnsafe(sizeBytes);
    let done = 0;
    while (done < sizeBytes) {
      const count = readSync(fd, bytes, done, sizeBytes - done, offset + done);
      if (count === 0) break;
      done += count;
    }
    return bytes.subarray(0, done);
  } finally {
    closeSync(fd);
  }
}

const pieceBytes = 512 * 1024;

/** Reads in pieces; each is valid until the next one. */
export async function* streamStored({path, offset, sizeBytes}: StoredFile): AsyncGenerator<Buffer, void> {
  const handle = await open(path, 'r');
  try {
    const buffer = Buffer.allocUnsafe(Math.min(pieceBytes, sizeBytes));
    for (let done = 0; done < sizeBytes;) {
      const wanted = Math.min(buffer.length, sizeBytes - done);
      const {bytesRead} = await handle.read(buffer, 0, wanted, offset + done);
      if (bytesRead === 0) return;
      done += bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await handle.close();
  }
}
