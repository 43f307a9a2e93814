import {loadConfigs} from '../../configs/load-config.ts';
import {isPasswordHash} from '../../configs/fields.ts';
import {readLock, type Lock} from '../../configs/lock-file.ts';
import type {Configs} from '../../configs/schema.ts';
import {ArtifactStore} from '../../volumes/artifact-store.ts';
import {ImageCache} from '../../volumes/image-cache.ts';
import type {DockerContainer} from '../docker/containers.ts';
import {ensureBaseImage} from '../engine/base-image.ts';
import {ensureSessionVolume, openPackageSession} from '../engine/open-session.ts';
import type {EngineSession} from '../engine/session.ts';
import {removeStaleRuns} from '../engine/stale-runs.ts';
import {PipelineError} from '../errors.ts';
import type {PipelineEvent} from '../events/event.ts';
import type {BootAssertion, BootOptions, BootResult} from '../options.ts';
import {configLocation} from '../pipeline/config-location.ts';
import {lockLocation} from '../pipeline/lock.ts';
import {writeLock} from '../pipeline/run-lock.ts';
import {check, defaultAssertions, userAssertion, type Assertion} from './assertions.ts';
import {ensureEmulator, keepEmulator} from './emulator.ts';
import {locateImage, type LocatedImage} from './find-image.ts';
import {ConsoleError, SerialConsole} from './serial-console.ts';
import {SerialShell} from './shell.ts';

const defaultTimeoutSeconds = 600;

/** The emulated board's 1 GiB, and qemu itself. */
const memoryBytes = 2 * 1024 ** 3;

/** Name under which events speak of the boot. */
const bootStep = 'boot';

/**
 * Boots an image in an emulated Raspberry Pi 3, in a container, and checks that it works. The image is only read.
 *
 * @returns the assertions' results; an assertion that does not hold is a result (`passed: false`), not an exception.
 * @throws PipelineError `BOOT_FAILED` when the login prompt is not reached, with the last lines of the console.
 */
export async function bootImage(options: BootOptions = {}): Promise<BootResult> {
  const emit = options.onEvent ?? (() => undefined);
  const resolved = await loadConfigs(configLocation(options));
  const {components: configs} = resolved;
  const lockFile = lockLocation(resolved, options);
  const lock = lockFile === undefined ? undefined : await readLock(lockFile);
  const credentials = bootCredentials(options, configs);
  const assertions = [
    ...defaultAssertions(configs.root_fs.hostname),
    ...(options.assertions ?? []).map(userAssertion),
  ];
  const session = await openPackageSession(options);
  const progress = (message: string) => emit({type: 'step-progress', step: bootStep, message});
  const output = (line: string) => emit(bootOutput(line));
  const warn = (message: string) => emit({type: 'notice', level: 'warning', message});
  const startedMs = Date.now();
  let failed = true;
  try {
    await ensureSessionVolume(session);
    emit({type: 'step-started', step: bootStep, description: 'emulated Raspberry Pi 3', reasons: []});
    const baseImage = await ensureBaseImage(
      session,
      {configs, locked: lock?.base_image.architectures[session.engine.architecture]},
      progress,
      output,
      options.signal,
      new ImageCache(session.packageHost),
    );
    session.useBaseImage(baseImage.reference);
    await removeStaleRuns(session);
    const store = new ArtifactStore(session);
    const locked = lock?.boot?.architectures[session.engine.architecture];
    const report = {progress, output, warn};
    const emulator = await ensureEmulator(session, baseImage, locked, report, options.signal);
    if (lock !== undefined && lockFile !== undefined && emulator.isNew) {
      progress('keeping the emulator for the lock');
      await lockEmulator(session, lock, lockFile, emulator.reference);
    }
    const image = await locateImage(session, store, {image: options.image, target: options.target}, progress);
    try {
      const boot = new Boot(session, image, emulator.reference, options, credentials, emit);
      const result = await boot.run(assertions);
      failed = false;
      emit({
        type: 'step-finished',
        step: bootStep,
        outcome: 'built',
        durationMs: Date.now() - startedMs,
        artifacts: [],
      });
      return result;
    } finally {
      if (image.work !== undefined) await store.discardWork(image.work).catch(() => undefined);
    }
  } catch (error) {
    if (options.signal?.aborted) throw new PipelineError('INTERRUPTED', 'stopped', {cause: error});
    throw error;
  } finally {
    await session.close();
    emit({type: 'run-finished', outcome: failed ? 'failed' : 'done', durationMs: Date.now() - startedMs});
  }
}

function bootOutput(line: string): PipelineEvent {
  return {type: 'step-output', step: bootStep, stream: 'stdout', line};
}

function bootCredentials(options: BootOptions, configs: Configs): {username: string; password: string} {
  const username = options.username ?? configs.root_fs.username;
  const password = options.password ?? configs.root_fs.password;
  if (options.password === undefined && isPasswordHash(password)) {
    throw new PipelineError('USAGE', 'root_fs.password is a hash, so the login needs the password itself', {
      hint: 'Give it with --password.',
    });
  }
  return {username, password};
}

/** Puts the emulator into a lock, for engines like this one. */
async function lockEmulator(
  session: EngineSession,
  lock: Lock,
  file: string,
  emulator: string,
): Promise<void> {
  const {architecture} = session.engine;
  const tools = await keepEmulator(session, emulator);
  await writeLock(file, {
    ...lock,
    boot: {architectures: {...lock.boot?.architectures, [architecture]: tools}},
  });
}

/** One emulated machine, from power-on to the last assertion. */
class Boot {
  readonly #session: EngineSession;
  readonly #image: LocatedImage;
  readonly #emulator: string;
  readonly #options: BootOptions;
  readonly #credentials: {username: string; password: string};
  readonly #emit: (event: PipelineEvent) => void;

  constructor(
    session: EngineSession,
    image: LocatedImage,
    emulator: string,
    options: BootOptions,
    credentials: {username: string; password: string},
    emit: (event: PipelineEvent) => void,
  ) {
    this.#session = session;
    this.#image = image;
    this.#emulator = emulator;
    this.#options = options;
    this.#credentials = credentials;
    this.#emit = emit;
  }

  async run(assertions: readonly Assertion[]): Promise<BootResult> {
    const view = await this.#session.createView(this.#image.folder);
    await using container = await this.#create(view);
    const {input, output} = await container.attachConsole();
    this.#session.hold(input);
    const console = new SerialConsole(output, input, (line) => {
      this.#options.onConsole?.(line);
      this.#emit(bootOutput(line));
    });
    const {signal} = this.#options;
    const timeoutSeconds = this.#options.timeoutSeconds ?? defaultTimeoutSeconds;
    const startedMs = Date.now();
    await container.start();
    this.#progress('booting');
    try {
      await console.waitFor(/ login: ?$/m, timeoutSeconds * 1000, signal);
      const loginSeconds = (Date.now() - startedMs) / 1000;
      this.#progress('logging in');
      const shell = await SerialShell.login(
        console,
        this.#credentials.username,
        this.#credentials.password,
        signal,
      );
      const results = await this.#check(shell, assertions);
      const passed = results.every((result) => result.passed);
      await this.#options.attach?.(console.open());
      return {image: this.#image.label, loginSeconds, assertions: results, passed};
    } catch (error) {
      if (!(error instanceof ConsoleError)) throw error;
      throw this.#bootFailed(error, console);
    }
  }

  async #check(shell: SerialShell, assertions: readonly Assertion[]): Promise<BootAssertion[]> {
    const results: BootAssertion[] = [];
    for (const assertion of assertions) {
      this.#progress(`checking: ${assertion.name}`);
      results.push(await check(shell, assertion));
    }
    return results;
  }

  async #create(view: string): Promise<DockerContainer> {
    return this.#session.own(
      await this.#session.containers.create({
        image: this.#emulator,
        command: ['/builder/boot.sh', `/inputs/image/${this.#image.name}`],
        mounts: [{volume: view, target: '/inputs/image', readOnly: true}],
        network: 'none',
        stdin: true,
        memoryBytes,
        pids: 256,
        labels: this.#session.labels('boot'),
      }),
    );
  }

  #bootFailed(error: ConsoleError, console: SerialConsole): PipelineError {
    const tail = console.tail(20);
    return new PipelineError('BOOT_FAILED', `${this.#image.label} does not boot: ${error.message}`, {
      hint: `The last lines of its console:\n${tail.join('\n') || '(nothing)'}`,
      cause: error,
    });
  }

  #progress(message: string): void {
    this.#emit({type: 'step-progress', step: bootStep, message});
  }
}
