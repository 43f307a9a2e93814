import type {WorkFolder} from '../../volumes/artifact-store.ts';
import type {StoreEntry} from '../../volumes/store-entry.ts';
import {packageList, type Step} from '../components/step.ts';
import {interrupted} from '../events/step-failure.ts';
import {classifyError} from './classify-failure.ts';
import {checkOut} from './check-out.ts';
import {fetchImages} from './fetch-images.ts';
import {identifyStep, type StepIdentity} from './identify-step.ts';
import {makeOnClient} from './make-on-client.ts';
import {publishWork} from './publish-work.ts';
import type {RunContext, StepOutcome} from './run-context.ts';
import {matchOutputs} from './match-outputs.ts';
import {StepLog} from './step-log.ts';
import type {StepJob} from './step-runner.ts';
import type {Needed} from './team-cache.ts';

/**
 * Brings one step's artifacts into the store: finds them, waits for another run that is making them, or makes them.
 * Never throws for what a user can cause.
 *
 * @param mustVerify whether files found in the store will be read; damaged ones are then made again.
 */
export async function runStep(
  step: Step,
  inputs: ReadonlyMap<string, StoreEntry>,
  context: RunContext,
  mustVerify: boolean,
): Promise<StepOutcome> {
  try {
    return await new StepRun(step, inputs, context).run(mustVerify);
  } catch (error) {
    if (context.signal.aborted) return {ok: false, failure: interrupted(step.name)};
    const failure = classifyError(step.name, error);
    if (failure === undefined) throw error;
    return {ok: false, failure};
  }
}

/**
 * Looks for one step's artifacts, in the volume and then in the registries. Nothing is fetched or made.
 *
 * @param needs which files an entry of a registry must have.
 */
export async function findStep(
  step: Step,
  inputs: ReadonlyMap<string, StoreEntry>,
  context: RunContext,
  mustVerify: boolean,
  needs: Needed,
): Promise<StepOutcome | undefined> {
  try {
    return await new StepRun(step, inputs, context).find(mustVerify, needs);
  } catch (error) {
    if (context.signal.aborted) return {ok: false, failure: interrupted(step.name)};
    const failure = classifyError(step.name, error);
    if (failure === undefined) throw error;
    return {ok: false, failure};
  }
}

class StepRun {
  readonly #step: Step;
  readonly #inputs: ReadonlyMap<string, StoreEntry>;
  readonly #context: RunContext;
  readonly #log: StepLog;
  readonly #startedMs = Date.now();

  constructor(step: Step, inputs: ReadonlyMap<string, StoreEntry>, context: RunContext) {
    this.#step = step;
    this.#inputs = inputs;
    this.#context = context;
    this.#log = new StepLog(step.name, context.emit);
  }

  async find(mustVerify: boolean, needs: Needed): Promise<StepOutcome | undefined> {
    if (this.#context.signal.aborted) return {ok: false, failure: interrupted(this.#step.name)};
    const identity = await identifyStep(this.#step, this.#inputs, this.#context);
    const stored = await this.#findStored(identity, mustVerify);
    if (stored !== undefined) return stored;
    // What the lock says needs no registry.
    if (this.#context.lists.has(this.#step.name)) return undefined;
    const found = await this.#context.cache.find(
      identity.fingerprint,
      (one) =>
        matchOutputs(
          this.#step.outputs,
          one.entry.files.map(({name}) => name),
        ).missing.length === 0 &&
        this.#isRecent(one.entry) &&
        needs(one),
    );
    return found && {ok: true, entry: found.entry, outcome: 'hit', from: found.from};
  }

  async #findStored({fingerprint}: StepIdentity, mustVerify: boolean): Promise<StepOutcome | undefined> {
    const entry = await this.#context.store.find(fingerprint);
    const isUsable =
      entry !== undefined && this.#isRecent(entry) && (!mustVerify || (await this.#isIntact(entry)));
    return isUsable ? {ok: true, entry, outcome: 'hit'} : undefined;
  }

  async run(mustVerify: boolean): Promise<StepOutcome> {
    const {store, signal, lists, runner} = this.#context;
    const identity = await identifyStep(this.#step, this.#inputs, this.#context);
    for (;;) {
      if (signal.aborted) return {ok: false, failure: interrupted(this.#step.name)};
      const stored = await this.#findStored(identity, mustVerify);
      if (stored !== undefined) return stored;
      const list = lists.get(this.#step.name);
      if (list !== undefined) return await this.#publishList(list, identity);
      const {checkout, images, client} = this.#step;
      if (checkout !== undefined) {
        return await this.#withoutContainer(identity, (work) =>
          checkOut(checkout, work, this.#context, this.#log),
        );
      }
      if (images !== undefined) {
        return await this.#withoutContainer(identity, (work) =>
          fetchImages(images, work, this.#context, this.#log),
        );
      }
      if (client !== undefined) {
        const step = {...this.#step, client};
        return await this.#withoutContainer(identity, (work) =>
          makeOnClient(step, this.#inputs, work, this.#context, this.#log),
        );
      }
      const outcome = await runner.make(this.#job(identity), this.#context);
      if (outcome !== undefined) return outcome;
      await store.refresh();
    }
  }

  /** A mirror answers differently from day to day: when asked for it, what it answered before does not count. */
  #isRecent(entry: StoreEntry): boolean {
    const {resolveAfter} = this.#context;
    return !this.#step.resolves || resolveAfter === undefined || entry.createdAt >= resolveAfter;
  }

  /** Puts a list from the lock into the store, where the steps that need it see it like one that was resolved. */
  async #publishList(list: string, identity: StepIdentity): Promise<StepOutcome> {
    const {store} = this.#context;
    const work = await this.#openWork(identity);
    await store.writeWork(work, packageList, list);
    const entry = await store.publish(work, await store.measureWork(work, [packageList]), {
      step: this.#step.name,
      ...identity,
      durationMs: Date.now() - this.#startedMs,
    });
    return {ok: true, entry, outcome: 'hit'};
  }

  /** Two runs may make the same here at the same time; what they publish is the same. */
  async #withoutContainer(
    identity: StepIdentity,
    make: (work: WorkFolder) => Promise<void>,
  ): Promise<StepOutcome> {
    const {store} = this.#context;
    const work = await this.#openWork(identity);
    try {
      await make(work);
      return await publishWork(work, this.#job(identity), store);
    } finally {
      await store.discardWork(work).catch(() => undefined);
    }
  }

  /** Whether an entry's files are what was published. One that is not is removed and reported. */
  async #isIntact(entry: StoreEntry): Promise<boolean> {
    const corrupt = await this.#context.store.findCorrupt(entry);
    if (corrupt.length === 0) return true;
    this.#context.emit({
      type: 'notice',
      level: 'warning',
      message: `${this.#step.name}: ${corrupt.join(', ')} in the volume is damaged; it is built again`,
      hint: 'If this happens again, check the disk of the engine.',
    });
    await this.#context.store.remove([entry.fingerprint]);
    return false;
  }

  #job(identity: StepIdentity): StepJob {
    return {step: this.#step, identity, inputs: this.#inputs, log: this.#log, startedMs: this.#startedMs};
  }

  #openWork({fingerprint}: StepIdentity): Promise<WorkFolder> {
    const {session, store} = this.#context;
    return store.openWork(`${session.runId}.${fingerprint.slice(0, 16)}`);
  }
}
