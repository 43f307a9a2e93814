import {open, type FileHandle} from 'node:fs/promises';
import {readZstdFrames} from '../disk/zstd-frames.ts';
import {SparseFile} from './sparse-file.ts';

const block = 4096;
const zeros = Buffer.alloc(block);

/**
 * Unpacks a zstd file to another file with holes where it is zero: a third of the bytes of an image has to come through
 * the engine when its packed form has come already.
 *
 * @param onProgress is told how long the file is so far, and may throw to stop.
 * @returns hex SHA-256 of what was written, or `undefined` when this file cannot be unpacked here.
 */
export async function unpackBeside(
  packed: string,
  to: FileHandle,
  onProgress: (bytes: number) => void,
): Promise<string | undefined> {
  // Loaded only where it is needed: a library of the platform, which may lack one.
  const Decoder = await import('@toondepauw/node-zstd').then(
    (library) => library.Decoder,
    () => undefined,
  );
  if (Decoder === undefined) return undefined;
  const decoder = new Decoder();
  const output = new SparseFile(to);
  const from = await open(packed, 'r');
  try {
    let last: {packed: Buffer; isZero: boolean} | undefined;
    for await (const frame of readZstdFrames(from)) {
      if (frame === undefined) return undefined;
      onProgress(output.position);
      // Most of a new image is empty, and the same frame again and again.
      if (last?.isZero && last.packed.equals(frame.packed)) {
        await output.skip(frame.contentBytes);
        continue;
      }
      const content = await decoder.decode(frame.packed).catch(() => undefined);
      if (content?.length !== frame.contentBytes) return undefined;
      const isZero = await appendWithHoles(output, content);
      last = {packed: Buffer.from(isZero ? frame.packed : []), isZero};
    }
    return await output.finish();
  } finally {
    await from.close();
  }
}

/** @returns whether all of it was zero. */
async function appendWithHoles(output: SparseFile, content: Buffer): Promise<boolean> {
  let dataFrom = 0;
  let isZero = true;
  for (let at = 0; at + block <= content.length; at += block) {
    if (content.compare(zeros, 0, block, at, at + block) !== 0) continue;
    isZero &&= at === dataFrom;
    await output.append(content.subarray(dataFrom, at));
    await output.skip(block);
    dataFrom = at + block;
  }
  await output.append(content.subarray(dataFrom));
  return isZero && dataFrom === content.length;
}
