import {join} from 'node:path';
import type {StoredFile, StoreEntry} from '../../volumes/store-entry.ts';
import type {WorkFolder} from '../../volumes/artifact-store.ts';
import {packageList, previousPackageList, type Output, type Step} from '../components/step.ts';
import type {ContainerSpec, VolumeMount} from '../docker/containers.ts';
import {label} from '../docker/labels.ts';
import {ensureArchitecture} from '../engine/binfmt.ts';
import {buildImageContext, ensureBuildImage} from '../engine/build-image.ts';
import type {StepFailure} from '../events/step-failure.ts';
import {classifyError, classifyExit, isForPeople, tailLines} from './classify-failure.ts';
import {collectPackages, ensurePackages, type PackageReport} from './ensure-packages.ts';
import {fingerprint, fingerprintInputs, lockedListInputs, type FingerprintInputs} from './fingerprint.ts';
import type {RunContext, StepOutcome} from './run-context.ts';
import {sendFiles} from './send-files.ts';

/** Processes and threads that a step may have: apt, dpkg and a compressor with a thread for each core stay far below. */
const processLimit = 4096;

/**
 * The CPU that qemu emulates, by Debian architecture; each has models of its own and refuses to start with another's.
 * That of arm64 is one without pointer authentication: emulating it makes every function call up to 18 times slower.
 */
const emulatedCpus: Readonly<Record<string, string>> = {
  arm64: 'cortex-a72',
  armhf: 'cortex-a7',
  mips: '24Kf',
};

/** What of a run decides about the identity of its steps. */
export type IdentityContext = Pick<
  RunContext,
  'baseImage' | 'buildImages' | 'epoch' | 'lists' | 'previousLists'
>;

/** Computes what identifies a step, given its finished inputs. */
export async function identifyStep(
  step: Step,
  inputs: ReadonlyMap<string, StoreEntry>,
  context: IdentityContext,
): Promise<{fingerprint: string; inputs: FingerprintInputs}> {
  const list = context.lists.get(step.name);
  if (list !== undefined) {
    const locked = lockedListInputs(step, list);
    return {fingerprint: fingerprint(locked), inputs: locked};
  }
  const {digest} = await buildImageContext(join(context.buildImages, step.buildImage));
  const collected = fingerprintInputs(step, {
    buildImage: digest,
    baseImage: context.baseImage.identity,
    // What the mirror has does not depend on the time stamps that a user wants.
    epoch: step.resolves ? context.baseImage.archiveDate : context.epoch,
    previousList: context.previousLists.get(step.name),
    inputs,
  });
  return {fingerprint: fingerprint(collected), inputs: collected};
}

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

function interrupted(step: string): StepFailure {
  return {reason: 'interrupted', step, message: 'stopped by the user'};
}

class StepRun {
  readonly #step: Step;
  readonly #inputs: ReadonlyMap<string, StoreEntry>;
  readonly #context: RunContext;
  readonly #tail: string[] = [];
  readonly #startedMs = Date.now();

  constructor(step: Step, inputs: ReadonlyMap<string, StoreEntry>, context: RunContext) {
    this.#step = step;
    this.#inputs = inputs;
    this.#context = context;
  }

  async run(mustVerify: boolean): Promise<StepOutcome> {
    const {session, store, signal} = this.#context;
    const identity = await identifyStep(this.#step, this.#inputs, this.#context);
    // The name is the lock: of all runs on this volume, the one whose container gets it makes this step.
    const name = `hypriotkit-${session.volume.id}-${identity.fingerprint.slice(0, 16)}`;
    for (;;) {
      if (signal.aborted) return {ok: false, failure: interrupted(this.#step.name)};
      const entry = await store.find(identity.fingerprint);
      if (entry !== undefined && this.#isRecent(entry) && (!mustVerify || (await this.#isIntact(entry))))
        return {ok: true, entry, outcome: 'hit'};
      const list = this.#context.lists.get(this.#step.name);
      if (list !== undefined) return await this.#publishList(list, identity);
      if (await this.#waitForOther(name)) {
        await store.refresh();
        continue;
      }
      const outcome = await this.#make(identity, name);
      if (outcome !== undefined) return outcome;
    }
  }

  /** A mirror answers differently from day to day: when asked for it, what it answered before does not count. */
  #isRecent(entry: StoreEntry): boolean {
    const {resolveAfter} = this.#context;
    return !this.#step.resolves || resolveAfter === undefined || entry.createdAt >= resolveAfter;
  }

  /** Puts a list from the lock into the store, where the steps that need it see it like one that was resolved. */
  async #publishList(
    list: string,
    identity: {fingerprint: string; inputs: FingerprintInputs},
  ): Promise<StepOutcome> {
    const {session, store} = this.#context;
    const work = await store.openWork(`${session.runId}.${identity.fingerprint.slice(0, 16)}`);
    await store.writeWork(work, packageList, list);
    const entry = await store.publish(work, await store.measureWork(work, [packageList]), {
      step: this.#step.name,
      ...identity,
      durationMs: Date.now() - this.#startedMs,
    });
    return {ok: true, entry, outcome: 'hit'};
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

  /** True when another run was making this step, and has ended by now. */
  async #waitForOther(name: string): Promise<boolean> {
    const {session, signal} = this.#context;
    const other = await session.containers.findByName(name);
    if (other === undefined) return false;
    const run = other.labels[label.run] ?? '';
    const attendants = await session.containers.list(`${label.run}=${run}`);
    const attendant = attendants.find((found) => found.running && found.labels[label.role] === 'attendant');
    if (attendant === undefined) {
      // Its run is gone; nobody would ever publish what it makes.
      await session.containers.get(other.id).remove();
      return true;
    }
    this.#progress(`waiting for ${other.labels[label.owner] ?? 'another run'}, which is making it`);
    const over = new AbortController();
    const either = AbortSignal.any([signal, over.signal]);
    try {
      // A run that is killed removes nothing: then only the end of its attendant tells.
      await Promise.race([
        session.containers.get(other.id).waitUntilRemoved(either),
        session.containers.get(attendant.id).waitUntilStopped(either),
      ]);
    } finally {
      over.abort();
    }
    return true;
  }

  /** `undefined` when another run took the name first. */
  async #make(
    identity: {fingerprint: string; inputs: FingerprintInputs},
    name: string,
  ): Promise<StepOutcome | undefined> {
    const {session, store, signal} = this.#context;
    await this.#prepareEngine();
    const image = await this.#ensureImage();
    // What the build of its image printed is no news about the container.
    this.#tail.length = 0;
    const unavailable = await this.#ensurePackages();
    if (unavailable !== undefined) return {ok: false, failure: unavailable};
    const work = await store.openWork(`${session.runId}.${identity.fingerprint.slice(0, 16)}`);
    const views: string[] = [];
    try {
      await this.#offerPrevious(work);
      await sendFiles(this.#step, work, session);
      const mounts = await this.#mount(work, views);
      const container = await session.containers.create(this.#spec(name, image, mounts));
      if (container === undefined) return undefined;
      session.own(container);
      try {
        this.#progress('running');
        const exit = await container.run((stream, line) => this.#output(stream, line), signal);
        if (signal.aborted) return {ok: false, failure: interrupted(this.#step.name)};
        if (exit.status !== 0) {
          return {
            ok: false,
            failure: classifyExit(this.#step.name, exit, this.#step.memoryBytes, this.#tail),
          };
        }
        return await this.#collect(work, identity);
      } finally {
        // Last, because its removal is what other runs wait for.
        await container.remove();
      }
    } finally {
      await store.discardWork(work).catch(() => undefined);
      await Promise.all(views.map((view) => session.removeView(view)));
    }
  }

  async #prepareEngine(): Promise<void> {
    const {session, baseImage, mayRegisterBinfmt} = this.#context;
    if (this.#step.executes === undefined) return;
    await ensureArchitecture(
      session,
      this.#step.executes,
      {mayRegister: mayRegisterBinfmt, image: baseImage.reference},
      (message) => this.#progress(message),
    );
  }

  async #ensurePackages(): Promise<StepFailure | undefined> {
    const resolved = this.#inputs.get(this.#step.packagesOf ?? '');
    if (resolved === undefined) return undefined;
    return this.#context.downloads.run(() =>
      ensurePackages(this.#step, resolved, this.#context, this.#packageReport()),
    );
  }

  /** Puts the list that a resolving step stays close to into its work folder; its packages are mounted. */
  async #offerPrevious(work: WorkFolder): Promise<void> {
    const list = this.#context.previousLists.get(this.#step.name);
    if (list === undefined) return;
    const present = await this.#context.downloads.run(() =>
      collectPackages(this.#step, list, this.#context, this.#packageReport()),
    );
    this.#tail.length = 0;
    await this.#context.store.writeWork(work, previousPackageList, present);
  }

  #packageReport(): PackageReport {
    return {
      progress: (message) => this.#progress(message),
      output: (stream, line) => this.#output(stream, line),
      tail: this.#tail,
    };
  }

  #ensureImage(): Promise<string> {
    const {session, baseImage, buildImages, offline, signal} = this.#context;
    this.#progress('preparing its build image');
    return ensureBuildImage(session, {
      folder: join(buildImages, this.#step.buildImage),
      imageName: this.#step.imageName,
      base: baseImage,
      offline,
      onLine: (line) => this.#output('stdout', line),
      signal,
    });
  }

  /** The step's own folder, writable, and its inputs, read-only: nothing else of the volume can be seen. */
  async #mount(work: WorkFolder, views: string[]): Promise<VolumeMount[]> {
    const {session, store, packages} = this.#context;
    const keep = (name: string) => {
      views.push(name);
      return name;
    };
    const view = async (path: string) => keep(await session.createView(path));
    return [
      {volume: await view(work.path), target: '/workspace', readOnly: false},
      ...(await Promise.all(
        [...this.#inputs].map(async ([input, entry]) => ({
          volume: await view(store.pathOf(entry)),
          target: `/inputs/${input}`,
          readOnly: true,
        })),
      )),
      ...(this.#step.packagesOf === undefined && !this.#context.previousLists.has(this.#step.name)
        ? []
        : [
            {
              volume: keep(await session.createPackageView(packages.path)),
              target: '/packages',
              readOnly: true,
            },
          ]),
    ];
  }

  #spec(name: string, image: string, mounts: readonly VolumeMount[]): ContainerSpec {
    const {session, epoch, offline} = this.#context;
    return {
      name,
      image,
      command: this.#step.command,
      environment: {
        SOURCE_DATE_EPOCH: String(epoch),
        LC_ALL: 'C.UTF-8',
        TZ: 'UTC',
        QEMU_CPU: emulatedCpus[this.#step.executes ?? 'arm64'] ?? 'max',
        DEBIAN_FRONTEND: 'noninteractive',
        ...Object.fromEntries(this.#step.settings.map(({variable, value}) => [variable, value])),
      },
      workingDirectory: '/workspace',
      mounts,
      network: this.#step.network && !offline ? 'bridge' : 'none',
      labels: {...session.labels('step'), [label.step]: this.#step.name},
      memoryBytes: this.#step.memoryBytes,
      pids: processLimit,
    };
  }

  /** Checks what the container left and publishes it. */
  async #collect(
    work: WorkFolder,
    identity: {fingerprint: string; inputs: FingerprintInputs},
  ): Promise<StepOutcome> {
    const {store} = this.#context;
    this.#progress('checking its artifacts');
    const present = await store.listWork(work);
    const {names, missing} = matchOutputs(this.#step.outputs, present);
    if (missing.length > 0) {
      return {
        ok: false,
        failure: {
          reason: 'output-missing',
          step: this.#step.name,
          message: `the container succeeded without making ${missing.join(', ')}`,
          hint: present.length === 0 ? 'It left no file at all.' : `It left ${present.join(', ')}.`,
          missing,
        },
      };
    }
    const files = await store.measureWork(work, names);
    const wrong = await this.#findWrongCompanion(work, files);
    if (wrong !== undefined) {
      return {
        ok: false,
        failure: {
          reason: 'output-corrupt',
          step: this.#step.name,
          message: `${wrong} does not have the digest that ${wrong}.sha256 says`,
          file: wrong,
        },
      };
    }
    const entry = await store.publish(work, files, {
      step: this.#step.name,
      fingerprint: identity.fingerprint,
      inputs: identity.inputs,
      durationMs: Date.now() - this.#startedMs,
    });
    return {ok: true, entry, outcome: 'built'};
  }

  /** The first file that is not what its `.sha256` companion says. */
  async #findWrongCompanion(work: WorkFolder, files: readonly StoredFile[]): Promise<string | undefined> {
    const companions = files.map((file) => file.name).filter((name) => name.endsWith('.sha256'));
    if (companions.length === 0) return undefined;
    const said = await this.#context.store.readCompanions(work, companions);
    const digests = new Map(files.map((file) => [file.name, file.sha256]));
    return companions
      .map((name) => name.slice(0, -'.sha256'.length))
      .find((file) => digests.get(file) !== said.get(file));
  }

  #output(stream: 'stdout' | 'stderr', line: string): void {
    this.#tail.push(line);
    // What the script says about its failure stays: the engine may hand it out before lines that were printed earlier.
    if (this.#tail.length > tailLines) this.#tail.splice(this.#tail.findIndex(isForPeople), 1);
    if (!isForPeople(line)) return;
    this.#context.emit({type: 'step-output', step: this.#step.name, stream, line});
  }

  #progress(message: string): void {
    this.#context.emit({type: 'step-progress', step: this.#step.name, message});
  }
}

/** Finds the file for each output; a pattern must match exactly one. */
export function matchOutputs(
  outputs: readonly Output[],
  present: readonly string[],
): {names: readonly string[]; missing: readonly string[]} {
  const names: string[] = [];
  const missing: string[] = [];
  for (const {name} of outputs) {
    const matches = present.filter((file) => matchesOutput(name, file));
    if (matches.length === 1) names.push(...matches);
    else missing.push(matches.length === 0 ? name : `exactly one ${name}`);
  }
  return {names, missing};
}

/** Whether a file is the output of that name or pattern. */
export function matchesOutput(pattern: string, file: string): boolean {
  const star = pattern.indexOf('*');
  if (star === -1) return file === pattern;
  const [start, end] = [pattern.slice(0, star), pattern.slice(star + 1)];
  return file.length >= start.length + end.length && file.startsWith(start) && file.endsWith(end);
}
