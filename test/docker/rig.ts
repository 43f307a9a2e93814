import {fileURLToPath} from 'node:url';
import type {Step} from '../../api/components/step.ts';
import {ensureSessionVolume, openPackageSession} from '../../api/engine/open-session.ts';
import {removeStaleRuns, sweepVolume} from '../../api/engine/stale-runs.ts';
import type {PipelineEvent} from '../../api/events/event.ts';
import type {StepFailure} from '../../api/events/step-failure.ts';
import {Executor} from '../../api/pipeline/executor.ts';
import {nodesOf} from '../../api/pipeline/step-node.ts';
import {planSteps} from '../../api/pipeline/plan-steps.ts';
import {ImageCache} from '../../volumes/image-cache.ts';
import {PackageCache} from '../../volumes/package-cache.ts';
import {GitCache} from '../../api/git/git-cache.ts';
import {localRunner} from '../../api/pipeline/local-runner.ts';
import {Pool} from '../../api/pool.ts';
import type {RunContext, StepOutcome} from '../../api/pipeline/run-context.ts';
import {TeamCache} from '../../api/pipeline/team-cache.ts';
import {ArtifactStore} from '../../volumes/artifact-store.ts';
import type {StoreEntry} from '../../volumes/store-entry.ts';
import {
  engine,
  execIn,
  inVolume,
  leftovers,
  newVolumeName,
  removeVolume,
  runningStep,
  testBaseImage,
  testLabels,
  until,
} from './engine.ts';

/** Build images for tests: a Dockerfile each. */
export const fixtures = fileURLToPath(new URL('../fixtures/build-images', import.meta.url));

/** `SOURCE_DATE_EPOCH` of test runs: the same whatever the base image's date. */
export const testEpoch = 1_700_000_000;

export const mebibyte = 1024 ** 2;

/** A step that runs a shell script; its artifact is the file `out` unless `more` says otherwise. */
export function shellStep(name: string, script: string, more: Partial<Step> = {}): Step {
  return {
    name,
    component: 'blank_image',
    description: `test step ${name}`,
    contract: 1,
    buildImage: 'hypriotkit_test',
    imageName: 'hypriotkit-test/tool:latest',
    command: ['sh', '-euc', script],
    settings: [],
    inputs: [],
    outputs: [{name: 'out', delivered: true}],
    network: false,
    memoryBytes: 64 * mebibyte,
    ...more,
  };
}

/** Shell text that waits until the test lets the step go on ({@link StartedRun.release}). */
export const gate = 'until [ -e /workspace/.go ]; do sleep 0.05; done;';

export interface RunOptions {
  readonly jobs?: number;
  readonly buildImages?: string;
  readonly epoch?: number;
  readonly mayRegisterBinfmt?: boolean;
  readonly signal?: AbortSignal;
  readonly signing?: RunContext['signing'];
  /** Called with each event as it happens. */
  readonly onEvent?: (event: PipelineEvent) => void;
}

/** How a run ended. */
export interface FinishedRun {
  readonly runId: string;
  readonly outcomes: ReadonlyMap<string, StepOutcome>;
  readonly events: readonly PipelineEvent[];
}

/** A run that is going on. */
export interface StartedRun {
  /** Everything that it has said until now. */
  readonly events: readonly PipelineEvent[];
  readonly finished: Promise<FinishedRun>;
}

/** Runs test steps on a volume of their own, each run in a session of its own, as every call of hypriotkit is. */
export class Rig implements AsyncDisposable {
  readonly volume: string;
  readonly #stop = new AbortController();
  readonly #runs: Promise<unknown>[] = [];

  constructor(volume = newVolumeName()) {
    this.volume = volume;
  }

  /** A rig on a volume with driver options. */
  static async withVolume(driverOptions: Record<string, string>): Promise<Rig> {
    const rig = new Rig();
    const docker = await engine();
    await docker.createVolume({Name: rig.volume, DriverOpts: driverOptions, Labels: testLabels});
    return rig;
  }

  /** Starts a run and hands out what it says while it goes on. */
  start(steps: readonly Step[], options: RunOptions = {}): StartedRun {
    const events: PipelineEvent[] = [];
    const signals = [this.#stop.signal, ...(options.signal ? [options.signal] : [])];
    const stoppable = {...options, signal: AbortSignal.any(signals)};
    const finished = runSteps(this.volume, steps, stoppable, (event) => {
      events.push(event);
      options.onEvent?.(event);
    }).then(({runId, outcomes}) => ({runId, outcomes, events}));
    // Looked at by the test later, or not at all when it has failed before.
    this.#runs.push(finished.catch(() => undefined));
    return {events, finished};
  }

  async run(steps: readonly Step[], options: RunOptions = {}): Promise<FinishedRun> {
    return this.start(steps, options).finished;
  }

  /** Runs one step that must succeed. */
  async make(step: Step, options: RunOptions = {}): Promise<StoreEntry> {
    return entryOf(await this.run([step], options), step.name);
  }

  /** Runs steps of which `name` must fail, and says how. */
  async fail(steps: readonly Step[], name: string, options: RunOptions = {}): Promise<StepFailure> {
    return failureOf(await this.run(steps, options), name);
  }

  /** Lets a step that waits at its {@link gate} go on. */
  async release(step: string): Promise<void> {
    const {id} = await runningStep(this.volume, step);
    await execIn(id, 'touch', '/workspace/.go');
  }

  /** The text of a stored file. */
  async read(entry: StoreEntry, name = 'out'): Promise<string> {
    return inVolume(this.volume, `cat '.hypriotkit/entries/${entry.fingerprint}/${name}'`);
  }

  async leftovers(): Promise<readonly string[]> {
    return leftovers(this.volume);
  }

  /** Stops what a failed test has left running, and removes everything. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#runs);
    await removeVolume(this.volume);
    await removeVolume(`${this.volume}-packages`);
  }
}

/** What `build` does between opening and closing its session, for steps that no component has. */
async function runSteps(
  volume: string,
  steps: readonly Step[],
  options: RunOptions,
  emit: (event: PipelineEvent) => void,
): Promise<{runId: string; outcomes: ReadonlyMap<string, StepOutcome>}> {
  const baseImage = await testBaseImage();
  const session = await openPackageSession({volume, packageVolume: `${volume}-packages`});
  try {
    await ensureSessionVolume(session);
    session.useBaseImage(baseImage.reference);
    const store = new ArtifactStore(session);
    const packages = new PackageCache(session.packageHost);
    const context: RunContext = {
      session,
      store,
      runner: localRunner,
      cache: TeamCache.none(),
      packages,
      downloads: new Pool(1),
      git: new GitCache(),
      privileged: new Set<string>(),
      baseImage,
      lists: new Map(),
      previousLists: new Map(),
      offline: false,
      buildImages: options.buildImages ?? fixtures,
      epoch: options.epoch ?? testEpoch,
      signing: options.signing,
      mayRegisterBinfmt: options.mayRegisterBinfmt ?? true,
      emit,
      signal: options.signal ?? new AbortController().signal,
    };
    await removeStaleRuns(session);
    const plan = await planSteps(steps, store, context);
    if (plan.some(({action}) => action === 'run')) {
      await sweepVolume(session, store, packages, new ImageCache(session.packageHost));
    }
    const reasons = new Map(plan.map((planned) => [planned.step, planned.reasons]));
    const executor = new Executor(nodesOf(steps), options.jobs ?? 2, {
      context,
      mustVerify: () => true,
      reasons: (step) => reasons.get(step) ?? [],
    });
    return {runId: session.runId, outcomes: await executor.execute()};
  } finally {
    await session.close();
  }
}

/** The entry of a step that succeeded. */
export function entryOf(run: FinishedRun, step: string): StoreEntry {
  const outcome = run.outcomes.get(step);
  if (outcome?.ok) return outcome.entry;
  throw new Error(`${step} did not succeed: ${JSON.stringify(outcome)}`);
}

/** The failure of a step that failed. */
export function failureOf(run: FinishedRun, step: string): StepFailure {
  const outcome = run.outcomes.get(step);
  if (outcome?.ok === false) return outcome.failure;
  throw new Error(`${step} did not fail: ${JSON.stringify(outcome)}`);
}

/** `built`, `hit` or the reason of its failure, by step. */
export function summaryOf(run: FinishedRun): Record<string, string> {
  return Object.fromEntries(
    [...run.outcomes].map(([step, outcome]) => [step, outcome.ok ? outcome.outcome : outcome.failure.reason]),
  );
}

/** What a step said that it was doing. */
export function progressOf(events: readonly PipelineEvent[], step: string): string[] {
  return events.flatMap((event) =>
    event.type === 'step-progress' && event.step === step ? [event.message] : [],
  );
}

/** Waits until a run says something. */
export function untilEvent<T extends PipelineEvent>(
  run: StartedRun,
  what: string,
  matches: (event: PipelineEvent) => event is T,
): Promise<T> {
  return until(what, () => run.events.find(matches));
}
