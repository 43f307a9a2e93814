import {execFileSync} from 'node:child_process';
import {readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';

/** Node has zstd from 22.15 on only. */
export function zstdCompressSync(content: Buffer, folder: string): Buffer {
  const file = join(folder, '.to-pack');
  writeFileSync(file, content);
  execFileSync('zstd', ['-q', '-f', file, '-o', `${file}.zst`]);
  return readFileSync(`${file}.zst`);
}
