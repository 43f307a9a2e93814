import {join} from 'node:path';
import {baseVariable} from '../components/hypriot-contract.ts';
import type {PinnedFolder, Step} from '../components/step.ts';
import {label} from '../docker/labels.ts';
import {ensureBuildImage} from '../engine/build-image.ts';
import {ensureRepositoryImage} from '../engine/repository-image.ts';
import {PipelineError} from '../errors.ts';
import type {RunContext} from './run-context.ts';
import type {StepLog} from './step-log.ts';

/**
 * Makes sure that the engine has the build image of a step.
 *
 * @returns the reference to run.
 * @throws PipelineError `SOURCE_UNAVAILABLE`, or `PRIVILEGES_REFUSED` for a repository that asks for what nobody allowed.
 * @throws ImageOperationError when its Dockerfile fails.
 */
export async function ensureStepImage(step: Step, context: RunContext, log: StepLog): Promise<string> {
  const {session, baseImage, buildImages, offline, signal} = context;
  log.progress('preparing its build image');
  if (step.repository !== undefined) return fromRepository(step, step.repository, context, log);
  return ensureBuildImage(session, {
    folder: join(buildImages, step.buildImage),
    imageName: step.imageName,
    base: baseImage,
    offline,
    onLine: (line) => log.output('stdout', line),
    signal,
  });
}

async function fromRepository(
  {component, imageName, settings}: Step,
  folder: PinnedFolder,
  {session, baseImage, git, signal, privileged}: RunContext,
  log: StepLog,
): Promise<string> {
  const {reference, image} = await ensureRepositoryImage(session, {
    name: component,
    folder,
    imageName,
    base: baseImage,
    from: settings.find(({variable}) => variable === baseVariable)?.value,
    git,
    onProgress: log.progress,
    onLine: (line) => log.output('stdout', line),
    signal,
  });
  const asked = image.labels[label.privileges];
  if (asked !== undefined && !privileged.has(component)) {
    throw new PipelineError('PRIVILEGES_REFUSED', `${folder.repository} asks for privileges: ${asked}`, {
      hint: `If you trust it with the engine's machine, add --allow-privileged ${component}.`,
    });
  }
  return reference;
}
