import {createHash} from 'node:crypto';
import {storeFormat} from '../../volumes/store-entry.ts';
import {packageList, type Step} from '../components/step.ts';
import {ensureArchitecture} from '../engine/binfmt.ts';
import {makeProbeProgram} from '../engine/probe-program.ts';
import {placeStep} from '../engine/swarm/placement.ts';
import {ensurePushed} from '../engine/swarm/push-image.ts';
import {runJob, type JobEnd, type SwarmJob} from '../engine/swarm/run-job.ts';
import {workerMediaTypes, type SwarmRegistry} from '../engine/swarm/swarm-registry.ts';
import type {SwarmSession} from '../engine/swarm/swarm-session.ts';
import {workerFormat, type WorkerInput, type WorkerJob} from '../engine/swarm/worker-job.ts';
import {PipelineError} from '../errors.ts';
import type {StepFailure} from '../events/step-failure.ts';
import {packageVersion} from '../version.ts';
import {
  fetchCommand,
  fetchEnvironment,
  fetchMemoryBytes,
  mirrorsOf,
  mirrorsOfStep,
  type Mirrors,
} from './ensure-packages.ts';
import {Holdings} from './holdings.ts';
import type {RunContext, StepOutcome} from './run-context.ts';
import {packFilesFor} from './send-files.ts';
import {stepEnvironment} from './step-container.ts';
import {ensureStepImage} from './step-image.ts';
import type {StepJob, StepRunner} from './step-runner.ts';
import {swarmFailure} from './swarm-failure.ts';

/** Runs each step as a service of a swarm. Its inputs and its artifacts lie in the registry; the volume has none of them. */
export class SwarmRunner implements StepRunner {
  readonly reads = 'registry';
  readonly #session: SwarmSession;
  readonly #registry: SwarmRegistry;
  /** Build images that have been pushed, by the engine's reference. */
  readonly #images = new Map<string, Promise<string>>();
  /** Lists whose packages the registry has, or is getting. */
  readonly #packages = new Map<string, Promise<StepFailure | undefined>>();

  constructor(session: SwarmSession, registry: SwarmRegistry) {
    this.#session = session;
    this.#registry = registry;
  }

  async make(job: StepJob, context: RunContext): Promise<StepOutcome | undefined> {
    const {step, identity, log} = job;
    if (context.resolveAfter === undefined) {
      const made = await this.#find(identity.fingerprint, 'hit', context);
      if (made !== undefined) return made;
    }
    // What the registry has under that name is damaged, somebody else's, or too old.
    const replaces = await this.#registry.find(identity.fingerprint);
    await this.#prepareManager(step, context, log.progress);
    const image = await ensureStepImage(step, context, log);
    log.forget();
    const unavailable = await this.#ensurePackages(job, context);
    if (unavailable !== undefined) return {ok: false, failure: unavailable};
    log.progress('handing its inputs over');
    const work = {...(await this.#work(job, context)), ...(replaces !== undefined && {replaces})};
    const isProven = async () => {
      const digest = await this.#registry.find(identity.fingerprint);
      if (digest === undefined || digest === replaces) return false;
      return (await this.#registry.findEntry(identity.fingerprint)) !== undefined;
    };
    const end = await this.#run({work, image, tag: identity.fingerprint, step, isProven}, job, context);
    if (end.kind === 'elsewhere') return this.#find(identity.fingerprint, 'hit', context);
    if (end.kind !== 'proven') return {ok: false, failure: swarmFailure(step, end, log.tail)};
    return this.#find(identity.fingerprint, 'built', context);
  }

  /** What the registry has; undefined when somebody removes it at this moment: then it is made again. */
  async #find(
    fingerprint: string,
    outcome: 'built' | 'hit',
    {cache}: RunContext,
  ): Promise<StepOutcome | undefined> {
    // First here, where a registry that is away is waited for.
    if ((await this.#registry.findEntry(fingerprint)) === undefined) return undefined;
    const found = await cache.findNew(fingerprint);
    return found && {ok: true, entry: found.entry, outcome, from: found.from};
  }

  /** The one engine of the swarm that can be asked for more than a service: emulators are registered there. */
  async #prepareManager(
    {executes}: Step,
    {session, baseImage, mayRegisterBinfmt}: RunContext,
    progress: (message: string) => void,
  ): Promise<void> {
    if (executes === undefined || !mayRegisterBinfmt) return;
    const options = {mayRegister: true, image: baseImage.reference};
    await ensureArchitecture(session, executes, options, progress).catch((error: unknown) => {
      // Other nodes may be able to.
      if (!(error instanceof PipelineError)) throw error;
    });
  }

  /** What the worker of a step is told. */
  async #work({step, identity, inputs}: StepJob, context: RunContext): Promise<SwarmJob['work']> {
    const {epoch, offline, previousLists} = context;
    const sent = await Promise.all(
      [...inputs].map(async ([name, entry]): Promise<WorkerInput> => {
        return {step: name, digest: await this.#registry.send(entry, new Holdings(context))};
      }),
    );
    const files =
      step.files === undefined || step.files.length === 0
        ? undefined
        : await this.#registry.sendTar(`${step.name} files`, '.files.tar', (send) =>
            packFilesFor(step, send),
          );
    const previous = previousLists.get(step.name);
    return {
      ...this.#common(),
      entry: {format: storeFormat, step: step.name, ...identity},
      inputs: sent,
      ...(files !== undefined && {files: {step: step.name, digest: files}}),
      ...(step.packagesOf !== undefined && {packagesOf: step.packagesOf}),
      ...(previous !== undefined && {previous}),
      command: step.command,
      environment: stepEnvironment(step, epoch),
      network: step.network && !offline,
      outputs: step.outputs.map(({name}) => name),
      // A cache changes nothing of what is made, and a node that keeps one would keep it for good.
      folders: step.cache === undefined ? [] : [step.cache.target],
    };
  }

  /** Makes sure that the registry has the packages that a step installs, or stays close to. */
  async #ensurePackages(job: StepJob, context: RunContext): Promise<StepFailure | undefined> {
    const {step, inputs} = job;
    const resolved = inputs.get(step.packagesOf ?? '');
    if (resolved !== undefined) {
      const list = await new Holdings(context).readText(resolved, packageList);
      return this.#packagesOf(list, mirrorsOf(resolved), false, job, context);
    }
    const previous = context.previousLists.get(step.name);
    if (previous === undefined) return undefined;
    return this.#packagesOf(previous, mirrorsOfStep(step), true, job, context);
  }

  #packagesOf(
    list: string,
    mirrors: Mirrors,
    some: boolean,
    job: StepJob,
    context: RunContext,
  ): Promise<StepFailure | undefined> {
    const tag = `packages-${createHash('sha256').update(list).digest('hex')}`;
    const known = this.#packages.get(tag) ?? this.#fetchPackages(list, tag, mirrors, some, job, context);
    this.#packages.set(tag, known);
    return known;
  }

  async #fetchPackages(
    list: string,
    tag: string,
    mirrors: Mirrors,
    some: boolean,
    job: StepJob,
    context: RunContext,
  ): Promise<StepFailure | undefined> {
    const work: SwarmJob['work'] = {
      ...this.#common(),
      inputs: [],
      packages: {list, tag, some},
      command: fetchCommand,
      environment: fetchEnvironment(mirrors),
      network: true,
      outputs: [],
      folders: [],
    };
    const step = {name: `${job.step.component}.packages`, memoryBytes: fetchMemoryBytes};
    for (;;) {
      if ((await this.#registry.find(tag)) !== undefined) return undefined;
      const isProven = async () => (await this.#registry.find(tag)) !== undefined;
      const end = await this.#run(
        {work, image: context.baseImage.reference, tag, step, isProven},
        job,
        context,
      );
      if (end.kind === 'proven') return undefined;
      if (end.kind !== 'elsewhere')
        return swarmFailure({...job.step, ...step, name: job.step.name}, end, job.log.tail);
    }
  }

  #common(): Pick<WorkerJob, 'format' | 'version' | 'registry' | 'mediaTypes' | 'createdMs' | 'folder'> {
    return {
      format: workerFormat,
      version: packageVersion(),
      registry: this.#registry.forWorkers,
      mediaTypes: workerMediaTypes,
      createdMs: Date.now(),
      folder: '/workspace',
    };
  }

  #run(
    {work, image, tag, step, isProven}: Errand,
    {log}: StepJob,
    {session, signal}: RunContext,
  ): Promise<JobEnd> {
    const {executes, memoryBytes} = step;
    const {architecture} = session.engine;
    const program = executes === undefined ? undefined : makeProbeProgram(executes);
    return runJob(
      this.#session,
      {
        step: step.name,
        tag,
        registry: createHash('sha256').update(this.#registry.label).digest('hex'),
        memoryBytes,
        work,
        probe:
          executes === undefined
            ? undefined
            : program && {architecture: executes, program: program.toString('base64')},
        place: (nodes, unable) => placeStep(nodes, {executes, images: [architecture], memoryBytes, unable}),
        image: () => this.#pushed(image, session, signal),
        login: this.#registry.login,
        isProven,
      },
      log,
      signal,
    );
  }

  #pushed(image: string, {images, engine}: RunContext['session'], signal: AbortSignal): Promise<string> {
    const known =
      this.#images.get(image) ??
      ensurePushed(images, image, engine.architecture, this.#registry.images, signal);
    this.#images.set(image, known);
    return known;
  }
}

/** What is done in the swarm for a step: the step itself, or getting its packages. */
interface Errand extends Pick<SwarmJob, 'work' | 'tag' | 'isProven'> {
  /** The engine's reference. */
  readonly image: string;
  readonly step: Pick<Step, 'name' | 'memoryBytes' | 'executes'>;
}
