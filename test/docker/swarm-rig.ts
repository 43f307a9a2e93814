import type {Output, Step} from '../../api/components/step.ts';
import {ensureSessionVolume, openPackageSession} from '../../api/engine/open-session.ts';
import type {PipelineEvent} from '../../api/events/event.ts';
import {GitCache} from '../../api/git/git-cache.ts';
import {parseCacheOptions} from '../../api/pipeline/cache-options.ts';
import {Executor} from '../../api/pipeline/executor.ts';
import {Holdings} from '../../api/pipeline/holdings.ts';
import {openSwarm} from '../../api/pipeline/open-swarm.ts';
import {Pool} from '../../api/pool.ts';
import type {RunContext, StepOutcome} from '../../api/pipeline/run-context.ts';
import {nodesOf} from '../../api/pipeline/step-node.ts';
import {TeamCache} from '../../api/pipeline/team-cache.ts';
import {ArtifactStore} from '../../volumes/artifact-store.ts';
import {PackageCache} from '../../volumes/package-cache.ts';
import {fixtures} from './rig.ts';
import {until} from './engine.ts';

/** Repository of everything in these tests. */
export const repository = 'team/images';

/** The base image that stub steps start from: `importStubImage` makes it. */
export const stub = 'stub:1';

/** A step of a stub image that runs a shell script, or of perl. */
export function stubStep(name: string, script: string, more: Partial<Step> = {}): Step {
  return {
    name,
    component: 'blank_image',
    description: name,
    contract: 1,
    buildImage: 'hypriotkit_test',
    imageName: 'hypriotkit-test/stub:latest',
    command: ['sh', '-euc', script],
    settings: [],
    inputs: [],
    outputs: [out('out')],
    network: false,
    memoryBytes: 128 * 1024 ** 2,
    ...more,
  };
}

export function out(name: string): Output {
  return {name, delivered: true};
}

/** What a run of steps has come to. */
export interface SwarmRunResult {
  readonly outcomes: ReadonlyMap<string, StepOutcome>;
  readonly events: readonly PipelineEvent[];
  /** Reads a file of a finished step. */
  readonly texts: ReadonlyMap<string, string>;
}

export interface SwarmRun {
  readonly events: PipelineEvent[];
  readonly result: Promise<SwarmRunResult>;
  readonly abort: AbortController;
}

/** What a rig needs of a swarm. */
export interface SwarmPlace {
  readonly manager: {readonly socket: string};
  readonly registry: {readonly host: string};
}

/** A swarm of private engines, and runs of `build --engine swarm` on it with stub steps. */
export class SwarmRig {
  readonly swarm: SwarmPlace;
  readonly #runs: SwarmRun[] = [];

  readonly #deadAfterMs: number;

  /** @param deadAfterMs after which others are taken for dead that say nothing. */
  constructor(swarm: SwarmPlace, deadAfterMs = 60_000) {
    this.swarm = swarm;
    this.#deadAfterMs = deadAfterMs;
  }

  get registry(): string {
    return `${this.swarm.registry.host}/${repository}`;
  }

  async run(...steps: Step[]): Promise<SwarmRunResult> {
    return this.start(...steps).result;
  }

  start(...steps: Step[]): SwarmRun {
    const events: PipelineEvent[] = [];
    const abort = new AbortController();
    const result = this.#run(steps, events, abort.signal);
    result.catch(() => undefined);
    const run = {events, result, abort};
    this.#runs.push(run);
    return run;
  }

  /** Ends what a failed test has left running. */
  async stopRuns(): Promise<void> {
    for (const run of this.#runs.splice(0)) {
      run.abort.abort();
      await run.result.catch(() => undefined);
    }
  }

  /** Waits until a run says something about a step. */
  async said(run: SwarmRun, step: string, message: RegExp): Promise<void> {
    await until(`"${message.source}" of ${step}`, () =>
      run.events.some(
        (event) =>
          (event.type === 'step-progress' && event.step === step && message.test(event.message)) ||
          (event.type === 'step-output' && event.step === step && message.test(event.line)) ||
          (event.type === 'notice' && message.test(event.message)),
      )
        ? true
        : undefined,
    );
  }

  async #run(steps: readonly Step[], events: PipelineEvent[], signal: AbortSignal): Promise<SwarmRunResult> {
    const emit = (event: PipelineEvent) => void events.push(event);
    const options = {
      host: `unix://${this.swarm.manager.socket}`,
      engine: 'swarm',
      registry: this.registry,
      cacheFrom: [this.registry],
    } as const;
    const session = await openPackageSession(options);
    await using cache = await TeamCache.open(parseCacheOptions(options, {}), emit, signal);
    try {
      await ensureSessionVolume(session);
      session.useBaseImage(stub);
      await using swarm = await openSwarm(session, options, emit, signal, {
        everyMs: 500,
        deadAfterMs: this.#deadAfterMs,
      });
      if (swarm === undefined) throw new Error('it runs on a swarm');
      const store = new ArtifactStore(session);
      const context: RunContext = {
        session,
        store,
        cache,
        runner: swarm.runner,
        packages: new PackageCache(session.packageHost),
        downloads: new Pool(1),
        git: new GitCache(),
        privileged: new Set<string>(),
        baseImage: {reference: stub, identity: 'stub', archiveDate: 1_700_000_000, packagesDigest: ''},
        lists: new Map(),
        previousLists: new Map(),
        offline: false,
        buildImages: fixtures,
        epoch: 1_700_000_000,
        mayRegisterBinfmt: false,
        emit,
        signal,
      };
      // As a build does, which tidies up its volume before and asks for its lists afterwards.
      await session.run('true', []);
      const executor = new Executor(nodesOf(steps), 4, {context, mustVerify: () => true, reasons: () => []});
      const outcomes = await executor.execute();
      await session.run('true', []);
      const texts = new Map<string, string>();
      for (const [name, outcome] of outcomes) {
        if (outcome.ok && outcome.entry.files.some((file) => file.name === 'out')) {
          texts.set(name, await new Holdings(context).readText(outcome.entry, 'out'));
        }
      }
      return {outcomes, events, texts};
    } finally {
      await session.close();
    }
  }
}
