import {join} from 'node:path';
import {loadConfigs} from '../../configs/load-config.ts';
import {isPasswordHash} from '../../configs/fields.ts';
import type {Configs} from '../../configs/schema.ts';
import {ArtifactStore} from '../../volumes/artifact-store.ts';
import {ImageOperationError} from '../docker/images.ts';
import {ensureBaseImage, type BaseImage} from '../engine/base-image.ts';
import {builtinBuildImages, ensureBuildImage} from '../engine/build-image.ts';
import {ensureSessionVolume, openSession} from '../engine/open-session.ts';
import type {EngineSession} from '../engine/session.ts';
import {removeStaleRuns} from '../engine/stale-runs.ts';
import {PipelineError} from '../errors.ts';
import type {PipelineEvent} from '../events/event.ts';
import type {BootOptions, BootResult} from '../options.ts';
import {configLocation} from '../pipeline/build.ts';
import {userAssertion} from './assertions.ts';
import {bootOutput, bootStep} from './boot-events.ts';
import {defaultAssertions} from './default-assertions.ts';
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
  const {components: configs} = await loadConfigs(configLocation(options));
  const credentials = bootCredentials(options, configs);
  const assertions = [
    ...defaultAssertions(configs.root_fs.hostname),
    ...(options.assertions ?? []).map(userAssertion),
  ];
  const session = await openSession(options);
  const progress = (message: string) => emit({type: 'step-progress', step: bootStep, message});
  const startedMs = Date.now();
  let failed = true;
  try {
    await ensureSessionVolume(session);
    emit({type: 'step-started', step: bootStep, description: 'emulated Raspberry Pi 3', reasons: []});
    const baseImage = await ensureBaseImage(
      session,
      {configs},
      progress,
      (line) => emit(bootOutput(line)),
      options.signal,
    );
    session.useBaseImage(baseImage.reference);
    await removeStaleRuns(session);
    // Starts the attendant: a machine without one is taken for left over by the next run when it is ten minutes old.
    await session.run('true', []);
    const store = new ArtifactStore(session);
    const emulator = await ensureEmulator(session, baseImage, emit, options.signal);
    const image = await locateImage(session, store, {image: options.image, target: options.target}, progress);
    try {
      const machine = new Machine(session, image, emulator, options, credentials, emit);
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

async function ensureEmulator(
  session: EngineSession,
  base: BaseImage,
  emit: (event: PipelineEvent) => void,
  signal: AbortSignal | undefined,
): Promise<string> {
  emit({type: 'step-progress', step: bootStep, message: 'preparing the emulator'});
  try {
    return await ensureBuildImage(session, {
      folder: join(builtinBuildImages(), 'boot'),
      base,
      onLine: (line) => emit(bootOutput(line)),
      signal,
    });
  } catch (error) {
    if (!(error instanceof ImageOperationError)) throw error;
    throw new PipelineError(
      'IMAGE_BUILD_FAILED',
      `the image with the emulator cannot be built: ${error.message}`,
      {
        hint: 'Its containers must reach a Debian mirror: check the network of the engine.',
        cause: error,
      },
    );
  }
}
