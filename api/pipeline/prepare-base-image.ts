import type {Lock} from '../../configs/lock-file.ts';
import {ImageCache} from '../../volumes/image-cache.ts';
import {baseImageStep} from '../components/components.ts';
import {ensureBaseImage, type BaseImage} from '../engine/base-image.ts';
import {PipelineError} from '../errors.ts';
import type {StepFailure} from '../events/step-failure.ts';
import type {Run} from './run.ts';

/**
 * The first step of a run: makes sure of the base image, and lets the session work with it.
 *
 * @param lock Whose base image is wanted.
 * @throws PipelineError `BUILD_FAILED` with the failure.
 */
export async function prepareBaseImage(run: Run, lock: Lock | undefined): Promise<BaseImage> {
  const {session, resolved, options, emit, signal} = run;
  const startedMs = Date.now();
  const work = {done: false};
  emit({type: 'step-started', step: baseImageStep, description: 'build tools', reasons: []});
  try {
    const baseImage = await ensureBaseImage(
      session,
      {
        configs: resolved.components,
        image: options.image,
        offline: options.offline,
        locked: lock?.base_image.architectures[session.engine.architecture],
      },
      (message) => {
        work.done = true;
        emit({type: 'step-progress', step: baseImageStep, message});
      },
      (line) => emit({type: 'step-output', step: baseImageStep, stream: 'stdout', line}),
      signal,
      new ImageCache(session.packageHost),
    );
    emit({
      type: 'step-finished',
      step: baseImageStep,
      outcome: work.done ? 'built' : 'hit',
      durationMs: Date.now() - startedMs,
      artifacts: [],
    });
    session.useBaseImage(baseImage.reference);
    return baseImage;
  } catch (error) {
    if (!(error instanceof PipelineError) || signal.aborted) throw error;
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
}
