import {createHash} from 'node:crypto';
import {rename, stat, writeFile} from 'node:fs/promises';
import {basename} from 'node:path';
import {formatBmap} from '../disk/bmap.ts';
import {FileSource} from '../disk/byte-source.ts';
import {findUsedRanges} from '../disk/used-ranges.ts';

const stepBytes = 1024 * 1024;

/** Makes the `.bmap` and `.sha256` files beside an image fit it again; those that are not there are not made. */
export async function updateCompanions(image: string): Promise<void> {
  await using source = await FileSource.open(image);
  if (await exists(`${image}.bmap`)) {
    const ranges = [];
    for (const range of await findUsedRanges(source))
      ranges.push({...range, sha256: await sumOf(source, range.start, range.end)});
    const text = formatBmap({imageBytes: source.sizeBytes, ranges});
    await replace(`${image}.bmap`, text);
    if (await exists(`${image}.bmap.sha256`)) {
      const sum = createHash('sha256').update(text).digest('hex');
      await replace(`${image}.bmap.sha256`, `${sum}  ${basename(image)}.bmap\n`);
    }
  }
  if (await exists(`${image}.sha256`))
    await replace(`${image}.sha256`, `${await sumOf(source, 0, source.sizeBytes)}  ${basename(image)}\n`);
}

async function sumOf(source: FileSource, start: number, end: number): Promise<string> {
  const hash = createHash('sha256');
  const block = Buffer.alloc(stepBytes);
  for (let at = start; at < end; at += stepBytes) {
    const bytes = block.subarray(0, Math.min(stepBytes, end - at));
    await source.readInto(bytes, at);
    hash.update(bytes);
  }
  return hash.digest('hex');
}

async function replace(path: string, text: string): Promise<void> {
  const partial = `${path}.${process.pid}`;
  await writeFile(partial, text);
  await rename(partial, path);
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}
