import {availableParallelism} from 'node:os';
import {LocalRunner} from '../../local-runner.ts';
import type {OtaError} from '../../ota-error.ts';
import {WorkerPool, type TaskRunner} from '../../worker-pool.ts';
import {BlobFiles} from '../content/blob-files.ts';
import {isSha256Hex, type Sha256Hex} from '../model/digest.ts';
import {blobPath, layout} from '../model/layout.ts';
import type {ImageReader} from '../read/image-reader.ts';
import type {LocalImage} from '../read/image-source.ts';
import {streamBlob} from '../read/read-file.ts';
import {asProblem, checkBlobs, type BlobProblem} from './check-blobs.ts';
import {referencedBlobs, type References} from './referenced-blobs.ts';

export interface VerifyResourcesOptions {
  /** Only these blobs, and nothing of what refers to them. */
  readonly only?: readonly Sha256Hex[] | undefined;
  /** Threads that read (default: one for each CPU, at most 8; 0: this thread does it). */
  readonly workers?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What was found in the blobs of an image. */
export interface ResourcesReport {
  /** How many blobs were read. */
  readonly blobs: number;
  readonly bytes: number;
  /** Blobs with other bytes than their names or the tables say, or that are not there. */
  readonly broken: readonly BlobProblem[];
  /** Documents and tables that cannot be followed, and contradictions between them. */
  readonly problems: readonly OtaError[];
  /** Files among the blobs that are none; harmless. */
  readonly strangers: readonly string[];
  /** Blobs that nothing refers to; harmless. */
  readonly unused: readonly Sha256Hex[];
  readonly isSound: boolean;
}

const maxWorkers = 8;
const smallBytes = 64 * 1024 * 1024;
const taskBytes = 32 * 1024 * 1024;
const taskBlobs = 256;

/**
 * Reads every blob of an image and compares it with its name, and follows documents and tables to all blobs that must be
 * there and the sizes that they must have. What is wrong is in the report; only an unreadable image throws.
 */
export async function verifyResources(
  image: ImageReader,
  options: VerifyResourcesOptions = {},
): Promise<ResourcesReport> {
  const references: References = options.only
    ? {blobs: new Map(), problems: []}
    : await referencedBlobs(image);
  const {sizes, strangers} = storedBlobs(image, references);
  const chosen = options.only
    ? new Set(options.only)
    : new Set([...sizes.keys(), ...references.blobs.keys()]);
  const present = [...chosen].filter((digest) => sizes.has(digest));
  const found = [
    ...(await readAll(image, present, sizes, options)),
    ...absentOrOfOtherSize(chosen, sizes, references),
  ].map((problem) => [problem.digest, problem] as const);
  // One problem for each blob: a wrong size says more than the wrong digest that comes with it.
  const broken = [...new Map(found).values()].sort((a, b) => (a.digest < b.digest ? -1 : 1));
  const {problems} = references;
  return {
    blobs: present.length,
    bytes: present.reduce((sum, digest) => sum + (sizes.get(digest) ?? 0), 0),
    broken,
    problems,
    strangers,
    unused: options.only ? [] : present.filter((digest) => !references.blobs.has(digest)),
    isSound: broken.length === 0 && problems.length === 0,
  };
}

function storedBlobs(image: ImageReader, references: References) {
  const files = image.source.files();
  // A web folder cannot be listed: what must be there is asked for.
  if (!files) return {sizes: references.blobs, strangers: []};
  const sizes = new Map<Sha256Hex, number>();
  const strangers: string[] = [];
  for (const [path, size] of files) {
    if (!path.startsWith(`${layout.blobs}/`)) continue;
    const name = path.slice(layout.blobs.length + 1);
    if (isSha256Hex(name)) sizes.set(name, size);
    else strangers.push(path);
  }
  return {sizes, strangers};
}

function absentOrOfOtherSize(
  chosen: ReadonlySet<Sha256Hex>,
  sizes: ReadonlyMap<Sha256Hex, number>,
  references: References,
): BlobProblem[] {
  const problems: BlobProblem[] = [];
  for (const digest of chosen) {
    const found = sizes.get(digest);
    const size = references.blobs.get(digest);
    const path = blobPath(digest);
    if (found === undefined) problems.push({digest, code: 'BLOB_MISSING', message: `${path} is missing`});
    else if (size !== undefined && size !== found) {
      problems.push({digest, code: 'BLOB_CORRUPT', message: `${path} has ${found} bytes instead of ${size}`});
    }
  }
  return problems;
}

async function readAll(
  image: ImageReader,
  digests: readonly Sha256Hex[],
  sizes: ReadonlyMap<Sha256Hex, number>,
  options: VerifyResourcesOptions,
): Promise<readonly BlobProblem[]> {
  const {local} = image.source;
  if (!local) return readFromWeb(image, digests, sizes, options.signal);
  const tasks = inTasks(digests, sizes);
  const total = digests.reduce((sum, digest) => sum + (sizes.get(digest) ?? 0), 0);
  await using runner = createRunner(local, total, options.workers);
  const found: BlobProblem[] = [];
  await Promise.all(
    tasks.map(async (task) => {
      found.push(...(await runner.run(task)));
      options.signal?.throwIfAborted();
    }),
  );
  return found;
}

function createRunner(
  local: LocalImage,
  total: number,
  workers: number | undefined,
): TaskRunner<readonly Sha256Hex[], readonly BlobProblem[]> {
  const threads = workers ?? (total < smallBytes ? 0 : Math.min(availableParallelism(), maxWorkers));
  if (threads > 0) return new WorkerPool(workerScript, {threads, workerData: local});
  return new LocalRunner((digests: readonly Sha256Hex[]) => {
    using blobs = new BlobFiles(local);
    return checkBlobs(blobs, digests);
  });
}

/** Beside this file, with the same ending: .ts in the sources, .js when compiled. */
const workerScript = new URL(
  `./verify-worker${import.meta.url.slice(import.meta.url.lastIndexOf('.'))}`,
  import.meta.url,
);

function inTasks(digests: readonly Sha256Hex[], sizes: ReadonlyMap<Sha256Hex, number>): Sha256Hex[][] {
  const size = (digest: Sha256Hex) => sizes.get(digest) ?? 0;
  const tasks: Sha256Hex[][] = [];
  let bytes = Infinity;
  for (const digest of [...digests].sort((a, b) => size(b) - size(a))) {
    if (bytes + size(digest) > taskBytes || (tasks.at(-1)?.length ?? 0) >= taskBlobs) {
      tasks.push([]);
      bytes = 0;
    }
    tasks.at(-1)?.push(digest);
    bytes += size(digest);
  }
  return tasks;
}

async function readFromWeb(
  {source}: ImageReader,
  digests: readonly Sha256Hex[],
  sizes: ReadonlyMap<Sha256Hex, number>,
  signal: AbortSignal | undefined,
): Promise<BlobProblem[]> {
  const problems: BlobProblem[] = [];
  const waiting = [...digests];
  const readNext = async () => {
    for (let digest = waiting.pop(); digest; digest = waiting.pop()) {
      signal?.throwIfAborted();
      try {
        for await (const _piece of streamBlob(source, digest, sizes.get(digest)));
      } catch (error) {
        problems.push(asProblem(digest, error));
      }
    }
  };
  await Promise.all(Array.from({length: 6}, readNext));
  return problems;
}
