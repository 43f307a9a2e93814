import type {WorkFolder} from '../../volumes/artifact-store.ts';
import {previousPackageList, type Step} from '../components/step.ts';
import type {ContainerExit} from '../docker/containers.ts';
import {ensureArchitecture} from '../engine/binfmt.ts';
import {interrupted, type StepFailure} from '../events/step-failure.ts';
import {classifyExit} from './classify-failure.ts';
import {collectPackages, ensurePackages} from './ensure-packages.ts';
import {handOver} from './hand-over.ts';
import {publishWork} from './publish-work.ts';
import type {RunContext, StepOutcome} from './run-context.ts';
import {sendFiles} from './send-files.ts';
import {stepContainer} from './step-container.ts';
import {ensureStepImage} from './step-image.ts';
import {StepMounts} from './step-mounts.ts';
import type {StepJob, StepRunner} from './step-runner.ts';
import {waitForOther} from './wait-for-other.ts';

/** Runs each step in a container of the engine that the run is connected to, on views of its volume. */
export const localRunner: StepRunner = {
  reads: 'volume',
  make: (job, context) => new LocalStep(job, context).make(),
};

class LocalStep {
  readonly #job: StepJob;
  readonly #context: RunContext;

  constructor(job: StepJob, context: RunContext) {
    this.#job = job;
    this.#context = context;
  }

  async make(): Promise<StepOutcome | undefined> {
    const {step, identity, inputs, log} = this.#job;
    const {session, store, signal} = this.#context;
    // The name is the lock: of all runs on this volume, the one whose container gets it makes this step.
    const name = `hypriotkit-${session.volume.id}-${identity.fingerprint.slice(0, 16)}`;
    if (await waitForOther(session, name, log.progress, signal)) return undefined;
    await this.#prepareEngine();
    const image = await ensureStepImage(step, this.#context, log);
    // What the build of its image printed is no news about the container.
    log.forget();
    const unavailable = await this.#ensurePackages();
    if (unavailable !== undefined) return {ok: false, failure: unavailable};
    const work = await store.openWork(`${session.runId}.${identity.fingerprint.slice(0, 16)}`);
    const views = new StepMounts(this.#context);
    try {
      await this.#offerPrevious(work);
      await sendFiles(step, work, session);
      const variables = await handOver(step.hypriot?.handed ?? [], inputs, work, store);
      const mounts = await views.mount(step, inputs, work);
      const container = await session.containers.create(
        stepContainer(step, {name, image, mounts, variables}, this.#context),
      );
      if (container === undefined) return undefined;
      session.own(container);
      try {
        log.progress('running');
        const exit = await container.run(log.output, signal);
        if (signal.aborted) return {ok: false, failure: interrupted(step.name)};
        if (exit.status !== 0) return {ok: false, failure: this.#failure(step, exit)};
        return await publishWork(work, this.#job, store);
      } finally {
        // Last, because its removal is what other runs wait for.
        await container.remove();
      }
    } finally {
      await store.discardWork(work).catch(() => undefined);
      await views.remove();
    }
  }

  #failure({name, component, memoryBytes, hypriot}: Step, exit: ContainerExit): StepFailure {
    const failure = classifyExit(name, exit, memoryBytes, this.#job.log.tail);
    if (hypriot?.privileges === undefined || this.#context.privileged.has(component)) return failure;
    const asks = `Hypriot's own repository for it needs ${hypriot.privileges}.`;
    return {...failure, hint: failure.hint ?? `${asks} --allow-privileged ${component} permits that.`};
  }

  async #prepareEngine(): Promise<void> {
    const {session, baseImage, mayRegisterBinfmt} = this.#context;
    const {step, log} = this.#job;
    if (step.executes === undefined) return;
    await ensureArchitecture(
      session,
      step.executes,
      {mayRegister: mayRegisterBinfmt, image: baseImage.reference},
      log.progress,
    );
  }

  async #ensurePackages(): Promise<StepFailure | undefined> {
    const {step, inputs, log} = this.#job;
    const resolved = inputs.get(step.packagesOf ?? '');
    if (resolved === undefined) return undefined;
    return this.#context.downloads.run(() => ensurePackages(step, resolved, this.#context, log));
  }

  /** Puts the list that a resolving step stays close to into its work folder; its packages are mounted. */
  async #offerPrevious(work: WorkFolder): Promise<void> {
    const {step, log} = this.#job;
    const list = this.#context.previousLists.get(step.name);
    if (list === undefined) return;
    const present = await this.#context.downloads.run(() => collectPackages(step, list, this.#context, log));
    log.forget();
    await this.#context.store.writeWork(work, previousPackageList, present);
  }
}
