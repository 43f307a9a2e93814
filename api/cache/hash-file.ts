import {createHash} from 'node:crypto';
import {open} from 'node:fs/promises';

/** SHA-256 of a file, in hex. */
export async function hashFile(path: string, signal?: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  for await (const piece of readPieces(path, signal)) hash.update(piece);
  return hash.digest('hex');
}

/** Reads a file in large pieces; each is valid until the next one. */
export async function* readPieces(path: string, signal?: AbortSignal): AsyncGenerator<Buffer, void> {
  const file = await open(path);
  try {
    const buffer = Buffer.allocUnsafe(1024 * 1024);
    for (;;) {
      signal?.throwIfAborted();
      const {bytesRead} = await file.read(buffer, 0, buffer.length);
      if (bytesRead === 0) return;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await file.close();
  }
}
