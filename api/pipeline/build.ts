import {rename, writeFile} from 'node:fs/promises';
import {loadConfigs, type ResolvedConfigs} from '../../configs/load-config.ts';
import {isComponentName} from '../../configs/schema.ts';
import {
  diffLocks,
  isWritten,
  lockFileName,
  readLock,
  renderLock,
  type Lock,
} from '../../configs/lock-file.ts';
import {ArtifactStore} from '../../volumes/artifact-store.ts';
import {PackageCache} from '../../volumes/package-cache.ts';
import type {StoreEntry} from '../../volumes/store-entry.ts';
import {baseImageStep} from '../components/components.ts';
import {ensureBaseImage, readBasePackages, type BaseImage} from '../engine/base-image.ts';
import {builtinBuildImages} from '../engine/build-image.ts';
import {ensureSessionVolume, openPackageSession} from '../engine/open-session.ts';
import type {EngineSession} from '../engine/session.ts';
import {removeStaleRuns, sweepVolume} from '../engine/stale-runs.ts';
import {PipelineError} from '../errors.ts';
import type {DeliveredArtifact, PipelineEvent} from '../events/event.ts';
import type {StepFailure} from '../events/step-failure.ts';
import type {BuildOptions, BuildResult, Relocked} from '../options.ts';
import {packageVersion} from '../version.ts';
import {deliver, prepareTarget} from './deliver.ts';
import {artifactsOf, Executor} from './executor.ts';
import {
  basePackagesDigest,
  diffBaseImage,
  lockedLists,
  lockLocation,
  makeLock,
  type LockedLists,
} from './lock.ts';
import {planSteps} from './plan-steps.ts';
import {Pool} from './pool.ts';
import {writeProvenance} from './provenance.ts';
import type {RunContext} from './run-context.ts';
import {matchesOutput} from './run-step.ts';
import {selectSteps, type Selection} from './select-steps.ts';
import {sourceDateEpoch} from './source-date-epoch.ts';
import {filterByVerbosity} from './verbosity.ts';

/** More containers at once than this gain nothing: the graph is not wider. */
const mostJobs = 4;

/**
 * Builds what the configuration asks for into the volume, and copies it to the target when there is one.
 *
 * @throws PipelineError `BUILD_FAILED` with the steps' failures, `INTERRUPTED`, or why the build could not start.
 * @throws ConfigError for a configs.json with mistakes; nothing has been built then.
 *
 * @example
 * const {delivered} = await build({target: './out', components: ['rpi_sd_image']});
 */
export async function build(options: BuildOptions = {}): Promise<BuildResult> {
  const startedMs = Date.now();
  const resolved = await loadConfigs(configLocation(options));
  const selection = selectSteps(resolved, options.components);
  const lockFile = lockLocation(resolved, options);
  const lock = lockFile === undefined ? undefined : await readLock(lockFile);
  const locked = lockedLists(lock, selection.steps);
  if (isStrict(options)) checkLocked(lockFile, lock, locked, resolved);
  const request = {resolved, selection, lockFile, lock, locked};
  const result = await withRun(options, request, (run) => run.run());
  return {...result, durationMs: Date.now() - startedMs};
}

/**
 * Asks the mirror anew for everything that the configuration or the present lock has, and writes the lock.
 *
 * @returns undefined when there is no place for a lock.
 */
export async function relock(options: BuildOptions): Promise<Relocked | undefined> {
  const resolved = await loadConfigs(configLocation(options));
  const file = lockLocation(resolved, options);
  if (file === undefined) return undefined;
  const lock = await readLock(file);
  const present = Object.keys(lock?.components ?? {}).filter(isComponentName);
  const {requested, steps} = selectSteps(resolved, [...resolved.requested, ...present]);
  const selection = {requested, steps: steps.filter((step) => step.resolves)};
  const locked = {lists: new Map<string, string>(), previous: new Map<string, string>(), differences: []};
  return withRun(options, {resolved, selection, lockFile: file, lock, locked}, (run) => run.relock(file));
}

/** What a run is about, as its files say it. */
type RunRequest = Pick<BuildRunOptions, 'resolved' | 'selection' | 'lockFile' | 'lock' | 'locked'>;

/** Opens what a run needs, announces it, and closes it in any case. */
async function withRun<T>(
  options: BuildOptions,
  request: RunRequest,
  work: (run: BuildRun) => Promise<T>,
): Promise<T> {
  const startedMs = Date.now();
  const emit = filterByVerbosity(options.verbosity ?? 'quiet', options.onEvent);
  const epochFromUser = options.sourceDateEpoch ?? sourceDateEpoch(process.env);
  const jobs = checkJobs(options.jobs);
  const session = await openPackageSession(options);
  // In a mapped folder the artifacts are expected to be seen, so without a target it is the target.
  const wantedTarget = options.target ?? (session.volume.kind === 'folder' ? session.volume.path : undefined);
  const folder = wantedTarget === undefined ? undefined : await prepareTarget(wantedTarget);
  let outcome: 'done' | 'failed' | 'interrupted' = 'failed';
  try {
    await ensureSessionVolume(session);
    emit({
      type: 'run-started',
      volume: session.label,
      engine: `${session.engine.name} (${session.engine.version}, ${session.engine.architecture})`,
      steps: [baseImageStep, ...request.selection.steps.map((step) => step.name)],
      jobs: jobs ?? Math.min(session.engine.cpus, mostJobs),
    });
    const result = await work(
      new BuildRun({...request, options, session, emit, jobs, epochFromUser, folder}),
    );
    outcome = 'done';
    return result;
  } catch (error) {
    if (!options.signal?.aborted) throw error;
    outcome = 'interrupted';
    throw new PipelineError('INTERRUPTED', 'stopped; finished steps are kept', {cause: error});
  } finally {
    await session.close();
    emit({type: 'run-finished', outcome, durationMs: Date.now() - startedMs});
  }
}

/** Whether the lock must not be changed. */
function isStrict({locked, offline}: Pick<BuildOptions, 'locked' | 'offline'>): boolean {
  return locked === true || offline === true;
}

/** Everything that a strict run needs to find in the lock is there. */
function checkLocked(
  lockFile: string | undefined,
  lock: Lock | undefined,
  {differences}: LockedLists,
  resolved: ResolvedConfigs,
): asserts lock is Lock {
  if (lock === undefined) {
    throw new PipelineError('LOCK_MISSING', `there is no ${lockFile ?? lockFileName} to build from`, {
      hint:
        lockFile === undefined
          ? 'The lock lies beside configs.json or in the target: name one of them with --config or --target.'
          : 'Build once without --locked and --offline: that writes it.',
    });
  }
  const {from} = resolved.components.base_image;
  const changed = lock.base_image.from === from ? [] : [`base_image.from ${lock.base_image.from} → ${from}`];
  refuse(lockFile, [...changed, ...differences]);
}

function refuse(lockFile: string | undefined, differences: readonly string[]): void {
  if (differences.length === 0) return;
  throw new PipelineError(
    'LOCK_DIFFERS',
    `the build would not be what ${lockFile ?? lockFileName} says: ${abridge(differences)}`,
    {
      hint: 'Build without --locked to add what is new to the lock, or run `hypriotkit upgrade` to lock what the mirror has today.',
    },
  );
}

/** Where `loadConfigs` should look. */
export function configLocation(options: {target?: string; config?: string}): {
  target?: string;
  file?: string;
} {
  return {
    ...(options.target !== undefined && {target: options.target}),
    ...(options.config !== undefined && {file: options.config}),
  };
}

function checkJobs(jobs: number | undefined): number | undefined {
  if (jobs !== undefined && !(Number.isInteger(jobs) && jobs >= 1)) {
    throw new PipelineError('USAGE', `jobs must be a whole number of at least 1, not ${jobs}`);
  }
  return jobs;
}

interface BuildRunOptions {
  readonly options: BuildOptions;
  readonly resolved: ResolvedConfigs;
  readonly selection: Selection;
  readonly session: EngineSession;
  readonly emit: (event: PipelineEvent) => void;
  readonly jobs: number | undefined;
  readonly epochFromUser: number | undefined;
  readonly folder: string | undefined;
  /** Where the lock lies; undefined when there is no place for one. */
  readonly lockFile: string | undefined;
  readonly lock: Lock | undefined;
  /** What of `lock` holds for this configuration. */
  readonly locked: LockedLists;
}

/** One run, from the base image to the target. */
class BuildRun {
  readonly #given: BuildRunOptions;
  readonly #store: ArtifactStore;
  readonly #signal: AbortSignal;

  constructor(given: BuildRunOptions) {
    this.#given = given;
    this.#store = new ArtifactStore(given.session);
    this.#signal = given.options.signal ?? new AbortController().signal;
  }

  async run(): Promise<Omit<BuildResult, 'durationMs'>> {
    const {session, selection, options, folder, epochFromUser} = this.#given;
    const {lock, lockFile, locked, emit} = this.#given;
    const baseImage = await this.#ensureBaseImage();
    session.useBaseImage(baseImage.reference);
    const basePackages = await this.#compareBaseImage(baseImage);
    if (lock !== undefined && locked.differences.length > 0) {
      emit({
        type: 'notice',
        level: 'info',
        message: `the lock is extended: ${abridge(locked.differences)}`,
      });
    }
    const context = this.#context(baseImage, epochFromUser ?? lock?.source_date_epoch);
    let entries = await this.#execute(context);
    if (lockFile !== undefined && !isStrict(options)) {
      await this.#writeLock(lockFile, entries, baseImage, basePackages);
    }
    let delivered: DeliveredArtifact[] = [];
    if (folder !== undefined) {
      try {
        delivered = await this.#deliver(entries, context, folder);
      } catch (error) {
        if (!(error instanceof PipelineError) || error.code !== 'ARTIFACT_CORRUPT') throw error;
        this.#given.emit({type: 'notice', level: 'warning', message: `${error.message}; it is built again`});
        entries = await this.#execute(context, true);
        delivered = await this.#deliver(entries, context, folder);
      }
    }
    const requested = new Set<string>(selection.requested);
    const artifacts = selection.steps
      .filter((step) => requested.has(step.component))
      .flatMap((step) =>
        artifactsOf(entries.get(step.name) as StoreEntry).filter((file) => isDelivered(step, file.name)),
      );
    return {volume: session.label, artifacts, delivered};
  }

  /** Resolves everything again and writes what that gives. */
  async relock(file: string): Promise<Relocked> {
    const {session, lock: previous} = this.#given;
    const baseImage = await this.#ensureBaseImage();
    session.useBaseImage(baseImage.reference);
    const context = this.#context(baseImage, undefined);
    const entries = await this.#execute({...context, resolveAfter: new Date().toISOString()});
    const lock = await this.#makeLock(
      entries,
      baseImage.archiveDate,
      await readBasePackages(session, baseImage),
    );
    await writeLock(file, lock);
    return {file, changes: diffLocks(previous ?? emptyLock(lock), lock)};
  }

  /** @param epoch What to use instead of the date of the package archive. */
  #context(baseImage: BaseImage, epoch: number | undefined): RunContext {
    const {session, options, locked} = this.#given;
    return {
      session,
      store: this.#store,
      packages: new PackageCache(session.packageHost),
      downloads: new Pool(1),
      baseImage,
      buildImages: builtinBuildImages(),
      epoch: epoch ?? baseImage.archiveDate,
      lists: locked.lists,
      previousLists: locked.previous,
      offline: options.offline ?? false,
      mayRegisterBinfmt: options.registerBinfmt ?? true,
      emit: this.#given.emit,
      signal: this.#signal,
    };
  }

  async #ensureBaseImage(): Promise<BaseImage> {
    const {session, resolved, options, emit} = this.#given;
    const startedMs = Date.now();
    const work = {done: false};
    emit({type: 'step-started', step: baseImageStep, description: 'build tools', reasons: []});
    try {
      const baseImage = await ensureBaseImage(
        session,
        {configs: resolved.components, image: options.image, offline: options.offline},
        (message) => {
          work.done = true;
          emit({type: 'step-progress', step: baseImageStep, message});
        },
        (line) => emit({type: 'step-output', step: baseImageStep, stream: 'stdout', line}),
        this.#signal,
      );
      emit({
        type: 'step-finished',
        step: baseImageStep,
        outcome: work.done ? 'built' : 'hit',
        durationMs: Date.now() - startedMs,
        artifacts: [],
      });
      return baseImage;
    } catch (error) {
      if (error instanceof PipelineError && !this.#signal.aborted) {
        const failure: StepFailure = {
          reason: 'image-build-failed',
          step: baseImageStep,
          message: error.message,
          ...(error.hint !== undefined && {hint: error.hint}),
          tail: (error.cause as {tail?: readonly string[]} | undefined)?.tail ?? [],
        };
        emit({type: 'step-failed', step: baseImageStep, durationMs: Date.now() - startedMs, failure});
        throw new PipelineError('BUILD_FAILED', 'base_image failed', {cause: error, failures: [failure]});
      }
      throw error;
    }
  }

  /** Runs what has to run and returns the entry of every step. */
  async #execute(context: RunContext, verifyAll = false): Promise<ReadonlyMap<string, StoreEntry>> {
    const {selection, session, jobs} = this.#given;
    await removeStaleRuns(session);
    const plan = await planSteps(selection.steps, this.#store, context);
    const running = new Set(plan.filter((step) => step.action === 'run').map((step) => step.step));
    if (running.size > 0) await sweepVolume(session, this.#store, context.packages);
    // A hit is read only where something runs on it; what is delivered is verified while it is copied.
    const used = new Set(
      selection.steps
        .filter((step) => verifyAll || running.has(step.name))
        .flatMap((step) => [step.name, ...step.inputs]),
    );
    const reasons = new Map(plan.map((step) => [step.step, step.reasons]));
    const executor = new Executor(selection.steps, jobs ?? Math.min(session.engine.cpus, mostJobs), {
      context,
      mustVerify: (step) => used.has(step) || verifyAll,
      reasons: (step) => reasons.get(step) ?? [],
    });
    const outcomes = await executor.execute();
    const entries = new Map<string, StoreEntry>();
    const failures: StepFailure[] = [];
    for (const [name, outcome] of outcomes) {
      if (outcome.ok) entries.set(name, outcome.entry);
      else if (outcome.failure.reason !== 'cancelled') failures.push(outcome.failure);
    }
    if (failures.length > 0) {
      const names = failures.map((failure) => failure.step).join(', ');
      throw new PipelineError('BUILD_FAILED', `${names} failed`, {failures});
    }
    return entries;
  }

  /**
   * Compares the tools with the lock's; a strict run refuses others, because they could make other bytes.
   *
   * @returns their list where the lock does not have it.
   */
  async #compareBaseImage(baseImage: BaseImage): Promise<readonly string[] | undefined> {
    const {session, lock, lockFile, options, emit} = this.#given;
    if (lockFile === undefined) return undefined;
    const {architecture} = session.engine;
    const known = lock?.base_image.packages[architecture];
    if (known !== undefined && basePackagesDigest(known) === baseImage.packagesDigest) return undefined;
    const packages = await readBasePackages(session, baseImage);
    const differences = lock === undefined ? [] : diffBaseImage(lock, architecture, packages);
    if (isStrict(options)) refuse(lockFile, differences);
    else if (differences.length > 0) {
      const message = `the base image is not the one in the lock: ${abridge(differences)}`;
      emit({type: 'notice', level: 'warning', message});
    }
    return packages;
  }

  async #writeLock(
    file: string,
    entries: ReadonlyMap<string, StoreEntry>,
    baseImage: BaseImage,
    basePackages: readonly string[] | undefined,
  ): Promise<void> {
    const {lock: previous, locked, resolved, emit} = this.#given;
    const {from} = resolved.components.base_image;
    // Nothing of it can have changed: every list came from it.
    const isComplete = locked.differences.length === 0 && basePackages === undefined;
    if (previous !== undefined && isComplete && previous.base_image.from === from) return;
    const lock = await this.#makeLock(
      entries,
      previous?.source_date_epoch ?? baseImage.archiveDate,
      basePackages,
    );
    if (await isWritten(file, lock)) return;
    await writeLock(file, lock);
    const changes = previous === undefined ? [] : diffLocks(previous, lock);
    emit({
      type: 'notice',
      level: 'info',
      message: previous === undefined ? `wrote ${file}` : `updated ${file}`,
      ...(changes.length > 0 && {hint: abridge(changes)}),
    });
  }

  #makeLock(
    entries: ReadonlyMap<string, StoreEntry>,
    epoch: number,
    basePackages: readonly string[] | undefined,
  ): Promise<Lock> {
    const {lock: previous, session, resolved, selection} = this.#given;
    return makeLock({
      store: this.#store,
      steps: selection.steps,
      entries,
      epoch,
      from: resolved.components.base_image.from,
      architecture: session.engine.architecture,
      basePackages,
      previous,
    });
  }

  async #deliver(
    entries: ReadonlyMap<string, StoreEntry>,
    context: RunContext,
    folder: string,
  ): Promise<DeliveredArtifact[]> {
    const {selection, session, resolved, emit} = this.#given;
    const requested = new Set<string>(selection.requested);
    const delivered: DeliveredArtifact[] = [];
    for (const step of selection.steps) {
      const entry = entries.get(step.name);
      if (entry === undefined || !requested.has(step.component)) continue;
      const files = entry.files.filter((file) => isDelivered(step, file.name));
      delivered.push(...(await deliver(this.#store, entry, files, folder, emit, this.#signal)));
    }
    await writeProvenance(folder, this.#store, {
      baseImage: context.baseImage,
      epoch: context.epoch,
      engine: session.engine,
      configs: resolved.components,
      entries: [...entries.values()],
      version: packageVersion(),
    });
    return delivered;
  }
}

/** More differences than this on one line are not read by anybody. */
const mostShown = 8;

function abridge(sentences: readonly string[]): string {
  const hidden = sentences.length - mostShown;
  return sentences.slice(0, mostShown).join('; ') + (hidden > 0 ? `; and ${hidden} more` : '');
}

async function writeLock(file: string, lock: Lock): Promise<void> {
  // A reader sees the old lock or the new one, never a half.
  await writeFile(`${file}.partial`, renderLock(lock));
  await rename(`${file}.partial`, file);
}

/** A lock that says nothing yet, to compare a first one with. */
function emptyLock({source_date_epoch: epoch, base_image: {from}}: Lock): Lock {
  return {format: 1, source_date_epoch: epoch, base_image: {from, packages: {}}, components: {}};
}

function isDelivered(step: Selection['steps'][number], file: string): boolean {
  return step.outputs.some((output) => output.delivered && matchesOutput(output.name, file));
}
