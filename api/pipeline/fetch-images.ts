import {Readable, type Writable} from 'node:stream';
import {pipeline} from 'node:stream/promises';
import {pack} from 'tar-stream';
import type {WorkFolder} from '../../volumes/artifact-store.ts';
import {boardPlatform} from '../components/preload.ts';
import type {PinnedImage} from '../components/step.ts';
import type {ImageArchive} from '../registry/image-archive.ts';
import type {RunContext} from './run-context.ts';
import type {StepLog} from './step-log.ts';

/**
 * Fetches Docker images and puts each into a work folder as an archive. The client does it and no container and no
 * engine: it has the user's credentials and proxies, and the engine may have images of another platform.
 *
 * @throws PipelineError `REGISTRY_FAILED`, `IMAGE_UNAVAILABLE`
 */
export async function fetchImages(
  images: readonly PinnedImage[],
  work: WorkFolder,
  {session, offline, signal}: Pick<RunContext, 'session' | 'offline' | 'signal'>,
  {progress}: Pick<StepLog, 'progress'>,
): Promise<void> {
  const {RegistryCache} = await import('../registry/registry-cache.ts');
  const {openCache} = await import('../cache/download-cache.ts');
  const cache = new RegistryCache(await openCache(), {offline});
  const archives: FetchedArchive[] = [];
  try {
    for (const image of images) {
      const archive = await cache.fetch(image, boardPlatform, {onProgress: progress, signal});
      archives.push({archive, output: image.output});
    }
    progress('sending to the engine');
    await send(archives, work, {session, signal});
  } finally {
    for (const {archive} of archives) await archive[Symbol.asyncDispose]();
  }
}

interface FetchedArchive {
  readonly archive: ImageArchive & AsyncDisposable;
  readonly output: string;
}

async function send(
  archives: readonly FetchedArchive[],
  work: WorkFolder,
  {session, signal}: Pick<RunContext, 'session' | 'signal'>,
): Promise<void> {
  const envelope = pack();
  const sending = session.writeArchive(work.path, Readable.from(envelope));
  const packing = async () => {
    for (const {archive, output} of archives) {
      const entry = envelope.entry({name: output, mode: 0o644, mtime: new Date(0), size: archive.sizeBytes});
      await pipeline(archive.open(), entry as unknown as Writable, {signal});
    }
    envelope.finalize();
  };
  try {
    await Promise.all([packing(), sending]);
  } catch (error) {
    envelope.destroy(error as Error);
    await sending.catch(() => undefined);
    throw error;
  }
}
