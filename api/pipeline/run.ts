import type {ResolvedConfigs} from '../../configs/load-config.ts';
import type {Lock} from '../../configs/lock-file.ts';
import type {CardContent} from '../components/content-work.ts';
import type {ImagePins, Pins} from '../components/pins.ts';
import type {ArtifactStore} from '../../volumes/artifact-store.ts';
import type {EngineSession} from '../engine/session.ts';
import type {PipelineEvent} from '../events/event.ts';
import type {BuildOptions} from '../options.ts';
import type {CacheChoice} from './cache-options.ts';
import type {LockedLists} from './lock.ts';
import type {Selection} from './select-steps.ts';
import type {StepRunner} from './step-runner.ts';
import type {TeamCache} from './team-cache.ts';

/** What a run is about, as its files say it. */
export interface RunRequest {
  readonly resolved: ResolvedConfigs & {
    readonly pins: Pins;
    readonly imagePins: ImagePins;
    readonly content?: CardContent | undefined;
    /** What was noticed when it was looked up. */
    readonly contentNotices?: readonly string[];
  };
  readonly selection: Selection;
  /** Where the lock lies; undefined when there is no place for one. */
  readonly lockFile: string | undefined;
  readonly lock: Lock | undefined;
  /** What of `lock` holds for this configuration. */
  readonly locked: LockedLists;
}

/** A run that is open. */
export interface Run extends RunRequest {
  readonly options: BuildOptions;
  readonly session: EngineSession;
  readonly store: ArtifactStore;
  readonly cacheChoice: CacheChoice;
  /** The registries whose finished steps are used. */
  readonly cache: TeamCache;
  readonly runner: StepRunner;
  readonly emit: (event: PipelineEvent) => void;
  readonly jobs: number;
  readonly epochFromUser: number | undefined;
  /** Where the artifacts go; undefined when they stay in the volume. */
  readonly folder: string | undefined;
  readonly signal: AbortSignal;
}
