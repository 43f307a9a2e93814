import type {Lock} from '../../configs/lock-file.ts';
import {ImageCache} from '../../volumes/image-cache.ts';
import {baseImageStep} from '../components/components.ts';
import {pinOf} from '../components/pins.ts';
import {ImageOperationError} from '../docker/images.ts';
import {ensureBaseImage, type BaseImage} from '../engine/base-image.ts';
import {ensureRepositoryImage} from '../engine/repository-image.ts';
import {PipelineError} from '../errors.ts';
import type {StepFailure} from '../events/step-failure.ts';
import {GitCache} from '../git/git-cache.ts';
import type {Run} from './run.ts';
import {SharedImages} from './shared-base-image.ts';

/**
 * The first step of a run: makes sure of the base image, and lets the session work with it.
 *
 * @param lock Whose base image is wanted.
 * @throws PipelineError `BUILD_FAILED` with the failure.
 */
export async function prepareBaseImage(run: Run, lock: Lock | undefined): Promise<BaseImage> {
  const {session, resolved, options, emit, signal, cache} = run;
  const startedMs = Date.now();
  const work = {done: false};
  emit({type: 'step-started', step: baseImageStep, description: 'build tools', reasons: []});
  const onProgress = (message: string) => {
    work.done = true;
    emit({type: 'step-progress', step: baseImageStep, message});
  };
  await using shared = new SharedImages(cache, onProgress);
  try {
    const baseImage = await ensureBaseImage(
      session,
      {
        configs: resolved.components,
        image: options.image,
        offline: options.offline,
        locked: lock?.base_image.architectures[session.engine.architecture],
      },
      onProgress,
      (line) => emit({type: 'step-output', step: baseImageStep, stream: 'stdout', line}),
      signal,
      [new ImageCache(session.packageHost), ...(cache.isEmpty || options.offline ? [] : [shared])],
    );
    session.useBaseImage(baseImage.reference);
    await prepareForeignBase(run, baseImage, onProgress);
    emit({
      type: 'step-finished',
      step: baseImageStep,
      outcome: work.done ? 'built' : 'hit',
      durationMs: Date.now() - startedMs,
      artifacts: [],
    });
    return baseImage;
  } catch (error) {
    if (signal.aborted) throw error;
    if (!(error instanceof PipelineError || error instanceof ImageOperationError)) throw error;
    const failure: StepFailure = {
      reason: 'image-build-failed',
      step: baseImageStep,
      message: error.message,
      ...('hint' in error && error.hint !== undefined && {hint: error.hint}),
      tail:
        'tail' in error ? error.tail : ((error.cause as {tail?: readonly string[]} | undefined)?.tail ?? []),
    };
    emit({type: 'step-failed', step: baseImageStep, durationMs: Date.now() - startedMs, failure});
    throw new PipelineError('BUILD_FAILED', 'base_image failed', {cause: error, failures: [failure]});
  }
}

/**
 * Builds the base image of a repository under the name that the Dockerfiles of other repositories start from. The
 * build images that come with hypriotkit start from its own, whose tools their scripts need.
 */
async function prepareForeignBase(
  {session, resolved, options, emit, signal}: Run,
  base: BaseImage,
  onProgress: (message: string) => void,
): Promise<void> {
  const {base_image: config} = resolved.components;
  if (config.repo === 'builtin') return;
  await ensureRepositoryImage(session, {
    name: 'base_image_repository',
    folder: pinOf(resolved.components, resolved.pins, 'base_image.repo'),
    imageName: config.image,
    base,
    git: new GitCache({offline: options.offline ?? false}),
    onProgress,
    onLine: (line) => emit({type: 'step-output', step: baseImageStep, stream: 'stdout', line}),
    signal,
  });
}
