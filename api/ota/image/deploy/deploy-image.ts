import {mkdir, mkdtemp, rename, rm, stat} from 'node:fs/promises';
import {availableParallelism} from 'node:os';
import {basename, dirname, join, resolve} from 'node:path';
import {asOtaError} from '../../io-error.ts';
import {LocalRunner} from '../../local-runner.ts';
import {OtaError} from '../../ota-error.ts';
import {WorkerPool, type TaskRunner} from '../../worker-pool.ts';
import type {ReleaseKey} from '../model/image-index.ts';
import {FileTable} from '../read/file-table.ts';
import type {ImageReader} from '../read/image-reader.ts';
import {ResourceTable} from '../read/resource-table.ts';
import {planDeployment, type DeployPlan} from './deploy-plan.ts';
import type {DeployTask} from './deploy-task.ts';
import {fetchBlobs} from './fetch-blobs.ts';
import {FileMaker, type FileMakerData} from './file-maker.ts';
import {finishDirectories, makeDirectories, makeHardLinks, makeNonRegulars} from './make-special-files.ts';
import {setXattrs} from './set-xattrs.ts';

export interface DeployOptions {
  readonly ecuId: string;
  /** Default: dev. */
  readonly releaseKey?: ReleaseKey | undefined;
  /** The folder to be made; it must not exist, its parent must. */
  readonly rootfsDir: string;
  /** Where downloads are kept meanwhile (default: beside `rootfsDir`). */
  readonly tmpDir?: string | undefined;
  /** Threads that write files (default: one for each CPU, at most 8; 0: this thread does it). */
  readonly workers?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface DeployResult {
  readonly rootfsDir: string;
  readonly directories: number;
  readonly regularFiles: number;
  readonly nonRegularFiles: number;
  /** Bytes that were written. */
  readonly bytes: number;
}

const maxWorkers = 8;
/** Below this, one thread is done before others have started. */
const smallBytes = 16 * 1024 * 1024;

/**
 * Makes the root file system of a payload: content, modes (under any umask), owners, extended attributes, hard and
 * symbolic links. Every digest is checked, nothing is written outside of the new folder, and the folder appears, by a
 * rename, only when it is complete; after a failure nothing is left. Needs root, as owners do.
 * @throws {OtaError} OUTPUT_EXISTS, PAYLOAD_NOT_FOUND, BLOB_MISSING, BLOB_CORRUPT, PATH_UNSAFE, …
 */
export async function deployImage(image: ImageReader, options: DeployOptions): Promise<DeployResult> {
  const target = resolve(options.rootfsDir);
  await requireAbsent(target);
  const {layers} = await image.manifest(image.payload(options.ecuId, options.releaseKey));
  const plan = await readPlan(image, layers[0]);
  options.signal?.throwIfAborted();
  const staging = await makeStaging(join(dirname(target), `.${basename(target)}.deploy-`));
  try {
    const work =
      options.tmpDir === undefined ? staging : await makeStaging(join(options.tmpDir, '.ota-deploy-'));
    try {
      const root = join(staging, 'root');
      await makeRoot(image, plan, {root, work, options});
      await rename(root, target);
    } finally {
      await rm(work, {recursive: true, force: true});
    }
  } catch (error) {
    throw asOtaError(error);
  } finally {
    await rm(staging, {recursive: true, force: true});
  }
  return {
    rootfsDir: options.rootfsDir,
    directories: plan.directories.length,
    regularFiles: plan.regularFiles,
    nonRegularFiles: plan.nonRegulars.length,
    bytes: plan.bytes,
  };
}

async function readPlan(
  image: ImageReader,
  layer: Parameters<typeof FileTable.open>[1],
): Promise<DeployPlan> {
  const descriptor = image.resourceTable;
  if (!descriptor) throw new OtaError('METADATA_INVALID', 'The image has no resource table');
  const resources = await ResourceTable.open(image.source, descriptor);
  await using files = await FileTable.open(image.source, layer);
  return planDeployment(files, resources);
}

interface Places {
  readonly root: string;
  readonly work: string;
  readonly options: DeployOptions;
}

async function makeRoot(image: ImageReader, plan: DeployPlan, {root, work, options}: Places): Promise<void> {
  const {signal} = options;
  await mkdir(root, {mode: 0o700});
  const scratch = join(work, 'scratch');
  await mkdir(scratch, {mode: 0o700});
  const local =
    image.source.local ?? (await fetchBlobs(image.source, plan.tasks, join(work, 'image'), signal));
  const data: FileMakerData = {image: local, root, scratch};
  using maker = isLittle(plan, options) ? new FileMaker(data) : undefined;
  await using runner: TaskRunner<DeployTask, void> = maker
    ? new LocalRunner((task: DeployTask) => maker.run(task))
    : new WorkerPool(workerScript, {threads: threadsOf(options), workerData: data});
  // While the threads start.
  makeDirectories(root, plan.directories);
  await makeFiles(plan, runner, signal);
  makeHardLinks(root, plan.hardLinks);
  await makeNonRegulars(root, plan.nonRegulars);
  // After the owners: changing an owner clears file capabilities.
  await setXattrs(root, plan.xattrs);
  finishDirectories(root, plan.directories);
  signal?.throwIfAborted();
}

function isLittle({bytes}: DeployPlan, {workers}: DeployOptions): boolean {
  return workers === undefined ? bytes < smallBytes : workers === 0;
}

function threadsOf({workers}: DeployOptions): number {
  return workers ?? Math.min(availableParallelism(), maxWorkers);
}

async function makeFiles(
  {tasks}: DeployPlan,
  runner: TaskRunner<DeployTask, void>,
  signal: AbortSignal | undefined,
): Promise<void> {
  const aborted = new Promise<never>((_resolve, reject) => {
    signal?.addEventListener('abort', () => reject(signal.reason as Error), {once: true});
  });
  aborted.catch(() => undefined);
  const done = tasks.map((task) => runner.run(task));
  for (const task of done) task.catch(() => undefined);
  await Promise.race([Promise.all(done), aborted]);
}

/** Beside this file, with the same ending: .ts in the sources, .js when compiled. */
const workerScript = new URL(
  `./deploy-worker${import.meta.url.slice(import.meta.url.lastIndexOf('.'))}`,
  import.meta.url,
);

async function requireAbsent(target: string): Promise<void> {
  const exists = await stat(target).then(
    () => true,
    (error: unknown) => (error as NodeJS.ErrnoException).code !== 'ENOENT',
  );
  if (exists)
    throw new OtaError('OUTPUT_EXISTS', `${target} already exists!`, {
      hint: 'deploy to a folder that is new',
    });
}

async function makeStaging(prefix: string): Promise<string> {
  try {
    return await mkdtemp(prefix);
  } catch (error) {
    throw asOtaError(error);
  }
}
