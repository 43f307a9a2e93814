import {createHash} from 'node:crypto';
import {mkdirSync, utimesSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {OutputFile} from '../../archive/output-file.ts';
import type {BundlePlan} from './bundle-plan.ts';
import type {StagedFile} from './ext4-medium.ts';
import {DataWriter} from './write-data.ts';

/** Lays a bundle out in a folder, each content once and checked; returns what is there, by path. */
export async function stageBundle(
  {data, meta, manifestBytes}: BundlePlan,
  folder: string,
  mtime: number,
  signal: AbortSignal | undefined,
): Promise<ReadonlyMap<string, StagedFile>> {
  const staged = new Map<string, StagedFile>();
  mkdirSync(join(folder, 'data'));
  for (const item of data) {
    signal?.throwIfAborted();
    const path = join(folder, 'data', item.name);
    const output = await OutputFile.create(path, item.stored.sizeBytes);
    using writer = new DataWriter(output);
    try {
      const sha256 = await writer.write(item);
      await output.finish({sync: false});
      staged.set(`data/${item.name}`, {sizeBytes: item.stored.sizeBytes, sha256});
    } catch (error) {
      await output.abandon();
      throw error;
    }
    utimesSync(path, mtime, mtime);
  }
  for (const [path, content] of [...meta, ['manifest.json', manifestBytes] as const]) {
    const file = join(folder, path);
    mkdirSync(join(file, '..'), {recursive: true});
    writeFileSync(file, content, {mode: 0o644});
    utimesSync(file, mtime, mtime);
    const sha256 = createHash('sha256').update(content).digest('hex');
    staged.set(path, {sizeBytes: content.length, sha256});
  }
  // Folders last: every file in them has changed their times.
  const folders = new Set(['.', 'data', 'meta', ...[...meta.keys()].map((path) => join(path, '..'))]);
  for (const path of [...folders].sort().reverse()) utimesSync(join(folder, path), mtime, mtime);
  return staged;
}
