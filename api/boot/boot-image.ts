import {loadConfigs} from '../../configs/load-config.ts';
import {isPasswordHash} from '../../configs/fields.ts';
import {readLock, type Lock} from '../../configs/lock-file.ts';
import type {Configs} from '../../configs/schema.ts';
import {ArtifactStore} from '../../volumes/artifact-store.ts';
import {ImageCache} from '../../volumes/image-cache.ts';
import {ensureBaseImage} from '../engine/base-image.ts';
import {ensureSessionVolume, openPackageSession} from '../engine/open-session.ts';
import type {EngineSession} from '../engine/session.ts';
import {removeStaleRuns} from '../engine/stale-runs.ts';
import {PipelineError} from '../errors.ts';
import type {BootOptions, BootResult} from '../options.ts';
import {configLocation} from '../pipeline/config-location.ts';
import {lockLocation} from '../pipeline/lock.ts';
import {writeLock} from '../pipeline/run-lock.ts';
import {userAssertion} from './assertions.ts';
import {bootOutput, bootStep} from './boot-events.ts';
import {defaultAssertions} from './default-assertions.ts';
import {ensureEmulator, keepEmulator} from './emulator.ts';
import {locateImage} from './find-image.ts';
import {Machine} from './machine.ts';

/**
 * Boots an image in an emulated Raspberry Pi 3, in a container, and checks that it works, as often as `boots` says. The
 * image is only read.
 *
 * @returns the assertions' results; an assertion that does not hold is a result (`passed: false`), not an exception.
 * @throws PipelineError `BOOT_FAILED` when the login prompt is not reached, with the last lines of the console.
 */
export async function bootImage(options: BootOptions = {}): Promise<BootResult> {
  const emit = options.onEvent ?? (() => undefined);
  const resolved = await loadConfigs(configLocation(options), options.variant);
  const {components: configs} = resolved;
  const lockFile = lockLocation(resolved, options);
  const lock = lockFile === undefined ? undefined : await readLock(lockFile);
  const credentials = bootCredentials(options, configs);
  const assertions = [
    ...defaultAssertions({
      hostname: configs.root_fs.hostname,
      drive: options.drive,
      network: options.network,
      layout: configs.blank_image.layout,
    }),
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
      [new ImageCache(session.packageHost)],
    );
    session.useBaseImage(baseImage.reference);
    await removeStaleRuns(session);
    // Starts the attendant: a machine without one is taken for left over by the next run when it is ten minutes old.
    await session.run('true', []);
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
      const machine = new Machine(session, image, emulator.reference, options, credentials, emit);
      const result = await machine.run(assertions);
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
