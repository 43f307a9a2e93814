import type {PackageCache} from '../../volumes/package-cache.ts';
import type {ArtifactStore} from '../../volumes/artifact-store.ts';
import type {StoreEntry} from '../../volumes/store-entry.ts';
import type {BaseImage} from '../engine/base-image.ts';
import type {EngineSession} from '../engine/session.ts';
import type {GitCache} from '../git/git-cache.ts';
import type {PipelineEvent} from '../events/event.ts';
import type {StepFailure} from '../events/step-failure.ts';
import type {SigningMaterial} from '../ota/image/write/signing-key.ts';
import type {Pool} from '../pool.ts';
import type {StepRunner} from './step-runner.ts';
import type {TeamCache} from './team-cache.ts';

/** What every step of a run works with. */
export interface RunContext {
  readonly session: EngineSession;
  readonly store: ArtifactStore;
  readonly runner: StepRunner;
  /** The registries whose finished steps are used. */
  readonly cache: TeamCache;
  readonly packages: PackageCache;
  /** One download at a time: two steps that need the same packages must not both fetch them. */
  readonly downloads: Pool;
  /** What is built from git. */
  readonly git: GitCache;
  /** What updates are signed with: it stays in this process. Absent where nothing is signed. */
  readonly signing?: SigningMaterial | undefined;
  /** Components whose repository may run with all privileges. */
  readonly privileged: ReadonlySet<string>;
  readonly baseImage: BaseImage;
  /** Folder with a folder for each build image. */
  readonly buildImages: string;
  /** `SOURCE_DATE_EPOCH` of every container. */
  readonly epoch: number;
  /** By step that resolves: the list that the lock has for it; the others ask the mirror. */
  readonly lists: ReadonlyMap<string, string>;
  /** By step that resolves: the list of the lock that it stays as close to as it can. */
  readonly previousLists: ReadonlyMap<string, string>;
  /** No container gets a network. */
  readonly offline: boolean;
  /** Lists in the store that are older than this (ISO 8601) are not taken: the mirror is asked again. */
  readonly resolveAfter?: string;
  readonly mayRegisterBinfmt: boolean;
  readonly emit: (event: PipelineEvent) => void;
  readonly signal: AbortSignal;
}

/** How a step ended. */
export type StepOutcome =
  | {
      readonly ok: true;
      readonly entry: StoreEntry;
      readonly outcome: 'built' | 'hit';
      /** The registry that has it; absent where the volume does. */
      readonly from?: string;
    }
  | {readonly ok: false; readonly failure: StepFailure};
