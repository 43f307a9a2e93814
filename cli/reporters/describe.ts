import {unreachable} from '../../api/errors.ts';
import type {Artifact} from '../../api/events/event.ts';
import type {StepFailure} from '../../api/events/step-failure.ts';
import {formatBytes, formatCount} from '../format.ts';

/** Why a step failed, in a few words; the whole story with its tail comes at the end of the run. */
export function shortReason(failure: StepFailure): string {
  switch (failure.reason) {
    case 'image-build-failed':
      return 'its build image could not be built';
    case 'exited-non-zero':
      return failure.code === undefined ? `exit status ${failure.status}` : failure.code;
    case 'out-of-memory':
      return `out of memory (limit ${formatBytes(failure.limitBytes)})`;
    case 'output-missing':
      return `${formatCount(failure.missing.length, 'file')} missing from its output`;
    case 'output-corrupt':
      return `${failure.file} is corrupt`;
    case 'storage-full':
      return 'no storage left';
    case 'packages-missing':
      return `${formatCount(failure.packages.length, 'package')} missing, and the run is offline`;
    case 'engine-failed':
      return 'the engine failed';
    case 'update-failed':
      return failure.code;
    case 'interrupted':
      return 'interrupted';
    case 'cancelled':
      return `needs ${failure.becauseOf}`;
    default:
      return unreachable(failure);
  }
}

/** The last lines that a failed step printed, for failures that have some. */
export function tailOf(failure: StepFailure): readonly string[] {
  return 'tail' in failure ? failure.tail : [];
}

/** `3 files, 180 MiB`; empty without artifacts. */
export function describeArtifacts(artifacts: readonly Artifact[]): string {
  if (artifacts.length === 0) return '';
  return `${formatCount(artifacts.length, 'file')}, ${formatBytes(totalBytes(artifacts))}`;
}

export function totalBytes(artifacts: readonly Artifact[]): number {
  return artifacts.reduce((sum, {sizeBytes}) => sum + sizeBytes, 0);
}
