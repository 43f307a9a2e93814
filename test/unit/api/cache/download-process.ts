import {createHash} from 'node:crypto';
import {mkdir, readFile} from 'node:fs/promises';
import {join} from 'node:path';
import {openCache} from '../../../../api/cache/download-cache.ts';
import {download} from '../../../../api/download/download.ts';

/** A process of its own that downloads one file: FOLDER URL. */
async function main([folder = '', url = '']: readonly string[]): Promise<void> {
  const scratch = join(folder, 'scratch');
  await mkdir(scratch, {recursive: true});
  const cache = await openCache({folder: join(folder, 'cache')});
  const [file] = await download([{id: 'it', url}], {cache, scratch});
  const content = await readFile(file?.path ?? '');
  await file?.release();
  process.stdout.write(`${file?.from ?? ''} ${createHash('sha256').update(content).digest('hex')}\n`);
}

await main(process.argv.slice(2));
