import type {ArtifactStore} from '../../volumes/artifact-store.ts';
import type {StoreEntry} from '../../volumes/store-entry.ts';
import type {BaseImage} from '../engine/base-image.ts';
import type {EngineSession} from '../engine/session.ts';
import type {PipelineEvent} from '../events/event.ts';
import type {StepFailure} from '../events/step-failure.ts';

/** What every step of a run works with. */
export interface RunContext {
  readonly session: EngineSession;
  readonly store: ArtifactStore;
  readonly baseImage: BaseImage;
  /** Folder with a folder for each build image. */
  readonly buildImages: string;
  /** `SOURCE_DATE_EPOCH` of every container. */
  readonly epoch: number;
  readonly mayRegisterBinfmt: boolean;
  readonly emit: (event: PipelineEvent) => void;
  readonly signal: AbortSignal;
}

/** How a step ended. */
export type StepOutcome =
  | {readonly ok: true; readonly entry: StoreEntry; readonly outcome: 'built' | 'hit'}
  | {readonly ok: false; readonly failure: StepFailure};
