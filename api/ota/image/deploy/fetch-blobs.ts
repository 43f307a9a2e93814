import {createWriteStream} from 'node:fs';
import {mkdir} from 'node:fs/promises';
import {join} from 'node:path';
import {Readable} from 'node:stream';
import {pipeline} from 'node:stream/promises';
import type {ContentPlan} from '../content/content-plan.ts';
import type {Sha256Hex} from '../model/digest.ts';
import {blobPath, layout} from '../model/layout.ts';
import type {ImageSource, LocalImage} from '../read/image-source.ts';
import {streamBlob} from '../read/read-file.ts';
import type {DeployTask} from './deploy-task.ts';

/** Downloads at once. */
const parallel = 6;

/** Downloads the blobs that some tasks need, and only these, into a folder; every one is checked on its way. */
export async function fetchBlobs(
  source: ImageSource,
  tasks: readonly DeployTask[],
  folder: string,
  signal: AbortSignal | undefined,
): Promise<LocalImage> {
  await mkdir(join(folder, layout.blobs), {recursive: true});
  const waiting = [...neededBlobs(tasks)];
  const fetchNext = async () => {
    for (let blob = waiting.pop(); blob; blob = waiting.pop()) {
      signal?.throwIfAborted();
      const [hex, size] = blob;
      await pipeline(
        Readable.from(streamBlob(source, hex, size)),
        createWriteStream(join(folder, blobPath(hex)), {flags: 'wx', mode: 0o600}),
        {...(signal && {signal})},
      );
    }
  };
  try {
    await Promise.all(Array.from({length: parallel}, fetchNext));
  } finally {
    waiting.length = 0;
  }
  return {kind: 'folder', folder};
}

function neededBlobs(tasks: readonly DeployTask[]): Map<Sha256Hex, number> {
  const blobs = new Map<Sha256Hex, number>();
  const visit = (plan: ContentPlan): void => {
    if (plan.kind === 'blob') blobs.set(plan.digest, plan.size);
    else if (plan.kind === 'slice') plan.of.forEach(visit);
    else visit(plan.of);
  };
  for (const task of tasks) {
    if (task.kind === 'bundle') visit(task.bundle);
    else for (const {content} of task.jobs) if (content.kind !== 'inline') visit(content);
  }
  return blobs;
}
