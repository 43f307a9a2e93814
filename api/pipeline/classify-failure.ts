import {isStorageFull} from '../../volumes/artifact-store.ts';
import {VolumeScriptError} from '../../volumes/volume-host.ts';
import {ImageOperationError} from '../docker/images.ts';
import type {ContainerExit} from '../docker/containers.ts';
import {PipelineError} from '../errors.ts';
import {UpdateError} from '../updates/update-error.ts';
import type {StepFailure} from '../events/step-failure.ts';

/** How many of a container's last lines a failure carries. */
export const tailLines = 40;

const storageFull = /No space left on device|no space left on device|Disk quota exceeded/;

/** Why a container that did not exit with 0 failed. Scripts say it themselves (`::error CODE message`), if they know. */
export function classifyExit(
  step: string,
  exit: ContainerExit,
  limitBytes: number,
  tail: readonly string[],
): StepFailure {
  if (exit.outOfMemory) {
    return {
      reason: 'out-of-memory',
      step,
      message: `the container needed more than its ${Math.round(limitBytes / 1024 ** 2)} MiB of memory and was killed`,
      hint: 'Give the engine more memory, or build fewer packages in one step.',
      limitBytes,
      tail: visible(tail),
    };
  }
  const said = tail.flatMap((line) => /^::error (\S+) (.*)$/.exec(line) ?? []);
  const hint = tail.findLast((line) => line.startsWith('::hint '))?.slice('::hint '.length);
  // A script that names its reason knows better than a line that happens to be in its log.
  if (said.length === 0 && tail.some((line) => storageFull.test(line)))
    return fullStorage(step, visible(tail));
  const [, code, message] = said.slice(-3);
  return {
    reason: 'exited-non-zero',
    step,
    message: message ?? `the container ended with exit status ${exit.status}`,
    ...(hint !== undefined && {hint}),
    ...(code !== undefined && {code}),
    status: exit.status,
    tail: visible(tail),
  };
}

/** Why an exception ended a step. `undefined` for what only a mistake of ours can throw. */
export function classifyError(step: string, error: unknown): StepFailure | undefined {
  if (error instanceof ImageOperationError) {
    if (storageFull.test(error.message)) return fullStorage(step, error.tail);
    return {
      reason: 'image-build-failed',
      step,
      message: `its build image cannot be built: ${error.message}`,
      tail: error.tail,
    };
  }
  if (error instanceof PipelineError) {
    return {
      reason: 'engine-failed',
      step,
      message: error.message,
      ...(error.hint !== undefined && {hint: error.hint}),
    };
  }
  if (error instanceof UpdateError) {
    const {message, hint, code} = error;
    return {reason: 'update-failed', step, message, code, ...(hint !== undefined && {hint})};
  }
  if (isStorageFull(error)) return fullStorage(step, []);
  if (error instanceof VolumeScriptError) {
    return {
      reason: 'engine-failed',
      step,
      message: `the volume cannot be used: ${error.stderr.trim() || error.message}`,
    };
  }
  if (isEngineError(error)) {
    if (storageFull.test(error.message)) return fullStorage(step, []);
    return {reason: 'engine-failed', step, message: `the engine refused a request: ${error.message}`};
  }
  return undefined;
}

function fullStorage(step: string, tail: readonly string[]): StepFailure {
  return {
    reason: 'storage-full',
    step,
    message: 'there is no space left in the volume or in the engine',
    hint: 'Free some with `hypriotkit clean` or `docker system prune`, then run the same command again: finished steps are kept.',
    tail,
  };
}

/** The lines that are meant for people. */
function visible(tail: readonly string[]): string[] {
  return tail.filter(isForPeople);
}

/** Whether a line of a script's output is not one that tells hypriotkit why it failed. */
export function isForPeople(line: string): boolean {
  return !line.startsWith('::error ') && !line.startsWith('::hint ');
}

/** An answer of the engine that is no success (dockerode puts the status on the error), or a lost connection. */
function isEngineError(error: unknown): error is Error {
  if (!(error instanceof Error)) return false;
  const {statusCode, code} = error as {statusCode?: unknown; code?: unknown};
  return (
    typeof statusCode === 'number' || ['ECONNRESET', 'ECONNREFUSED', 'EPIPE', 'ENOENT'].includes(String(code))
  );
}
