import {createHash} from 'node:crypto';
import {createReadStream, createWriteStream} from 'node:fs';
import {utimes} from 'node:fs/promises';
import {join} from 'node:path';
import {Transform} from 'node:stream';
import {pipeline} from 'node:stream/promises';
import type {StagedFile} from '../ota/packer/ext4-medium.ts';
import type {Copy} from './update-bundle.ts';

/** Copies files into the folder of a medium; returns what is there, by name. */
export async function stageCopies(
  copies: readonly Copy[],
  folder: string,
  mtime: number,
  signal: AbortSignal | undefined,
): Promise<ReadonlyMap<string, StagedFile>> {
  const staged = new Map<string, StagedFile>();
  for (const {name, location} of copies) {
    const hash = createHash('sha256');
    let sizeBytes = 0;
    const watch = new Transform({
      transform(piece: Buffer, _encoding, next) {
        hash.update(piece);
        sizeBytes += piece.length;
        next(null, piece);
      },
    });
    const path = join(folder, name);
    await pipeline(
      createReadStream(location, {highWaterMark: 1024 * 1024}),
      watch,
      createWriteStream(path, {flags: 'wx', mode: 0o644}),
      {...(signal && {signal})},
    );
    await utimes(path, mtime, mtime);
    staged.set(name, {sizeBytes, sha256: hash.digest('hex')});
  }
  return staged;
}
