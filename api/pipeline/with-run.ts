import {ArtifactStore} from '../../volumes/artifact-store.ts';
import {baseImageStep} from '../components/components.ts';
import {ensureSessionVolume, openPackageSession} from '../engine/open-session.ts';
import {PipelineError} from '../errors.ts';
import type {BuildOptions} from '../options.ts';
import {parseCacheOptions} from './cache-options.ts';
import {prepareTarget} from './deliver.ts';
import type {Run, RunRequest} from './run.ts';
import {epochFromUser} from './source-date-epoch.ts';
import {TeamCache} from './team-cache.ts';
import {filterByVerbosity} from './verbosity.ts';

/** More containers at once than this gain nothing: the graph is not wider. */
const mostJobs = 4;

/**
 * Opens what a run needs, announces it, and closes it in any case.
 *
 * @param stepNames What will happen, where that is more than the request says.
 */
export async function withRun<T>(
  options: BuildOptions,
  request: RunRequest,
  work: (run: Run) => Promise<T>,
  stepNames: readonly string[] = request.selection.steps.map((step) => step.name),
): Promise<T> {
  const startedMs = Date.now();
  const emit = filterByVerbosity(options.verbosity ?? 'quiet', options.onEvent);
  const epoch = epochFromUser(options.sourceDateEpoch);
  const wantedJobs = checkCount('jobs', options.jobs);
  checkCount('maxParallel', options.maxParallel);
  const cacheChoice = parseCacheOptions(options);
  const cache = await TeamCache.open(cacheChoice, emit, options.signal);
  const session = await openPackageSession(options);
  const jobs = wantedJobs ?? Math.min(session.engine.cpus, mostJobs);
  // In a mapped folder the artifacts are expected to be seen, so without a target it is the target.
  const wantedTarget = options.target ?? (session.volume.kind === 'folder' ? session.volume.path : undefined);
  const folder = wantedTarget === undefined ? undefined : await prepareTarget(wantedTarget);
  const signal = options.signal ?? new AbortController().signal;
  let outcome: 'done' | 'failed' | 'interrupted' = 'failed';
  try {
    await ensureSessionVolume(session);
    emit({
      type: 'run-started',
      volume: session.label,
      engine: `${session.engine.name} (${session.engine.version}, ${session.engine.architecture})`,
      steps: [baseImageStep, ...stepNames],
      jobs,
    });
    const store = new ArtifactStore(session);
    const result = await work({
      ...request,
      options,
      session,
      store,
      cacheChoice,
      cache,
      emit,
      jobs,
      epochFromUser: epoch,
      folder,
      signal,
    });
    outcome = 'done';
    return result;
  } catch (error) {
    if (!signal.aborted) throw error;
    outcome = 'interrupted';
    throw new PipelineError('INTERRUPTED', 'stopped; finished steps are kept', {cause: error});
  } finally {
    await session.close();
    await cache[Symbol.asyncDispose]();
    emit({type: 'run-finished', outcome, durationMs: Date.now() - startedMs});
  }
}

function checkCount(name: string, count: number | undefined): number | undefined {
  if (count !== undefined && !(Number.isInteger(count) && count >= 1)) {
    throw new PipelineError('USAGE', `${name} must be a whole number of at least 1, not ${count}`);
  }
  return count;
}
