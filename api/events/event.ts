import type {StepFailure} from './step-failure.ts';

/** How much a run tells: `quiet` only failures, `info` what happens, `debug` also all output of the containers. */
export type Verbosity = 'quiet' | 'info' | 'debug';

/** A file that a step made. */
export interface Artifact {
  /** The step that made it, as `rpi_sd_image`. */
  readonly step: string;
  readonly name: string;
  readonly sizeBytes: number;
  /** Hex SHA-256 of the content. */
  readonly sha256: string;
}

/** A file that now lies in the target folder. */
export interface DeliveredArtifact extends Artifact {
  /** Absolute path on this machine. */
  readonly path: string;
  /** True when it lay there already with the same content. */
  readonly unchanged: boolean;
}

/** What a run is about to do with a step, and why. */
export interface PlannedStep {
  readonly step: string;
  readonly component: string;
  readonly description: string;
  readonly needs: readonly string[];
  /** `hit`: the store has its artifacts. `run`: it will run. */
  readonly action: 'hit' | 'run';
  /** Of a hit: the registry that has it; absent where the volume does. */
  readonly from?: string;
  /** Why it has to run, one sentence each; empty for a hit. */
  readonly reasons: readonly string[];
  /** Of a matrix: the variants that need it. */
  readonly variants?: readonly string[];
  /** Identity of the step's inputs; absent while something that it depends on is not known. */
  readonly fingerprint?: string;
}

export interface RunStarted {
  readonly type: 'run-started';
  /** Name or path of the volume. */
  readonly volume: string;
  readonly engine: string;
  /** Names of the steps in the order in which they may start. */
  readonly steps: readonly string[];
  readonly jobs: number;
}

export interface StepStarted {
  readonly type: 'step-started';
  readonly step: string;
  readonly description: string;
  readonly reasons: readonly string[];
}

/** What a running step is doing now, in a few words: building its image, waiting for another run. */
export interface StepProgress {
  readonly type: 'step-progress';
  readonly step: string;
  readonly message: string;
}

/** One line that the step's container or image build printed, without its newline. */
export interface StepOutput {
  readonly type: 'step-output';
  readonly step: string;
  readonly stream: 'stdout' | 'stderr';
  readonly line: string;
}

export interface StepFinished {
  readonly type: 'step-finished';
  readonly step: string;
  /** `built` now, or taken from the store (`hit`). */
  readonly outcome: 'built' | 'hit';
  /** The registry that it was found in. */
  readonly from?: string;
  readonly durationMs: number;
  readonly artifacts: readonly Artifact[];
}

export interface StepFailed {
  readonly type: 'step-failed';
  readonly step: string;
  readonly durationMs: number;
  readonly failure: StepFailure;
}

/** Something that a user may want to know and that belongs to no step. */
export interface Notice {
  readonly type: 'notice';
  readonly level: 'info' | 'warning';
  readonly message: string;
  readonly hint?: string;
}

/** Bytes are being copied to the target. */
export interface DeliveryProgress {
  readonly type: 'delivery-progress';
  readonly name: string;
  readonly doneBytes: number;
  readonly totalBytes: number;
}

export interface ArtifactDelivered {
  readonly type: 'artifact-delivered';
  readonly artifact: DeliveredArtifact;
}

export interface RunFinished {
  readonly type: 'run-finished';
  readonly outcome: 'done' | 'failed' | 'interrupted';
  readonly durationMs: number;
}

/** Everything that a run says. Reporters draw it; `--json` prints one per line. */
export type PipelineEvent =
  | RunStarted
  | StepStarted
  | StepProgress
  | StepOutput
  | StepFinished
  | StepFailed
  | Notice
  | DeliveryProgress
  | ArtifactDelivered
  | RunFinished;

export type EventListener = (event: PipelineEvent) => void;
