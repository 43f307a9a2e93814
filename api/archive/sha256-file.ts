import {createHash} from 'node:crypto';
import {open} from 'node:fs/promises';

/** Hex SHA-256 of a file, read in 1 MiB pieces through one buffer. */
export async function sha256File(path: string): Promise<string> {
  const hash = createHash('sha256');
  const block = Buffer.allocUnsafe(1024 * 1024);
  const handle = await open(path, 'r');
  try {
    for (;;) {
      const {bytesRead} = await handle.read(block, 0, block.length);
      if (bytesRead === 0) return hash.digest('hex');
      hash.update(block.subarray(0, bytesRead));
    }
  } finally {
    await handle.close();
  }
}
