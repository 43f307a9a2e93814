/** Why a step did not produce its artifacts. */
export type StepFailure =
  | ImageBuildFailed
  | ExitedNonZero
  | OutOfMemory
  | OutputMissing
  | OutputCorrupt
  | StorageFull
  | PackagesMissing
  | EngineFailed
  | UpdateFailed
  | Interrupted
  | Cancelled;

interface FailureBase {
  readonly step: string;
  /** One sentence for people. */
  readonly message: string;
  /** What the user can do about it. */
  readonly hint?: string;
}

/** The build image of the step could not be built. */
export interface ImageBuildFailed extends FailureBase {
  readonly reason: 'image-build-failed';
  /** The last lines that the build printed. */
  readonly tail: readonly string[];
}

/** The container ran to its end and its exit status was not 0. */
export interface ExitedNonZero extends FailureBase {
  readonly reason: 'exited-non-zero';
  readonly status: number;
  /** The code that the script gave (`MIRROR_UNREACHABLE`, …), when it gave one. */
  readonly code?: string;
  /** The last lines that it printed. */
  readonly tail: readonly string[];
}

/** The kernel killed the container's processes because its memory limit was reached. */
export interface OutOfMemory extends FailureBase {
  readonly reason: 'out-of-memory';
  readonly limitBytes: number;
  readonly tail: readonly string[];
}

/** The container succeeded, but files that its contract promises are not there. */
export interface OutputMissing extends FailureBase {
  readonly reason: 'output-missing';
  readonly missing: readonly string[];
}

/** A file does not have the digest that its `.sha256` companion or the store records. */
export interface OutputCorrupt extends FailureBase {
  readonly reason: 'output-corrupt';
  readonly file: string;
}

/** The volume or the engine's own storage has no room left. */
export interface StorageFull extends FailureBase {
  readonly reason: 'storage-full';
  readonly tail: readonly string[];
}

/** The run is offline, and the package volume does not have what the step installs. */
export interface PackagesMissing extends FailureBase {
  readonly reason: 'packages-missing';
  /** Name, version and architecture of each. */
  readonly packages: readonly string[];
}

/** The engine refused or broke a request that should have worked. */
export interface EngineFailed extends FailureBase {
  readonly reason: 'engine-failed';
}

/** What the client makes of the step's inputs could not be made. */
export interface UpdateFailed extends FailureBase {
  readonly reason: 'update-failed';
  /** The code of the error: `ROOTFS_INVALID`, `REGISTRY_FAILED`, … */
  readonly code: string;
}

/** The user stopped the run while this step was running. */
export interface Interrupted extends FailureBase {
  readonly reason: 'interrupted';
}

/** A step that this one needs did not succeed. Reporters print only the root failure. */
export interface Cancelled extends FailureBase {
  readonly reason: 'cancelled';
  readonly becauseOf: string;
}

export function interrupted(step: string): Interrupted {
  return {reason: 'interrupted', step, message: 'stopped by the user'};
}
