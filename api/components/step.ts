import type {LocalTree} from '../../configs/local-tree.ts';
import type {ComponentName} from '../../configs/schema.ts';
import type {ContentWork} from './content-work.ts';
import type {UpdateWork} from './update-work.ts';

/** One setting of a step: an environment variable of its container, and the configuration field it comes from. */
export interface Setting {
  /** As in `root_fs.hostname`; names the input when it changes. */
  readonly field: string;
  readonly variable: string;
  readonly value: string;
  /** Kept out of the store's records and of every message; only its digest is compared. */
  readonly secret?: boolean;
  /** Follows from other settings of the step: part of its identity, but no reason of its own for a change. */
  readonly derived?: boolean;
}

/** Something beside configs.json that a step needs: sent to its container, never mounted from the user's machine. */
export interface StepFile {
  /** Where it lies below `/workspace/.files`. */
  readonly path: string;
  /** The configuration field that names it. */
  readonly field: string;
  /** Its digest must be part of the step's settings, where it counts for the identity. */
  readonly tree: LocalTree;
}

/** A file, or one file out of a pattern, that a step must leave in its work folder. */
export interface Output {
  /** A name, or a pattern with `*`, which must then match exactly one file. */
  readonly name: string;
  /** Copied to the target when its component is delivered; otherwise only for other steps. */
  readonly delivered: boolean;
}

/** A folder of a git repository at one commit. */
export interface PinnedFolder {
  /** The configuration field that names it. */
  readonly field: string;
  readonly repository: string;
  readonly ref: string;
  readonly folder: string;
  /** Full id; empty where nobody asked the repository, because only the names of steps matter. */
  readonly commit: string;
}

/** A Docker image of a registry, pinned. */
export interface PinnedImage {
  /** Without abbreviations. */
  readonly name: string;
  /** Of the manifest for the board; empty where nobody asked the registry, because only the names of steps matter. */
  readonly digest: string;
  /** The output that it becomes: an archive for `docker load`. */
  readonly output: string;
}

/** Files of an input that a repository of Hypriot's shape expects beside its outputs. */
export interface HandedFile {
  readonly step: string;
  /** As {@link Output.name}. */
  readonly pattern: string;
  /** Environment variable that tells its name; then the pattern must match one file. */
  readonly variable?: string;
  /** End of the name that the variable does not have. */
  readonly without?: string;
}

/**
 * How a repository of Hypriot's shape is run: one flat folder, at both places where such repositories look for it,
 * the image's own command and working directory, and a network.
 */
export interface HypriotContract {
  readonly handed: readonly HandedFile[];
  /** What it needs privileges for; absent when it needs none. */
  readonly privileges?: string;
}

/** A folder that outlives the run, to be quicker next time. It never changes what is made. */
export interface StepCache {
  /** Below the caches of the package volume. */
  readonly folder: string;
  /** Where the container sees it. */
  readonly target: string;
}

/**
 * One container run of a component: what it needs, what it is told, what it makes. Data only; `docs/build-images.md`
 * describes the contract from the container's side.
 */
export interface Step {
  /** The component's name for its last step, `component.part` for those before. */
  readonly name: string;
  readonly component: ComponentName;
  /** For people, in a few words. */
  readonly description: string;
  /** Raise it when the meaning of inputs or outputs changes without a change of the build image. */
  readonly contract: number;
  /** Folder below `build-images/`. */
  readonly buildImage: string;
  /** The name that the user's configuration gives to the build image. */
  readonly imageName: string;
  /** Empty: the image's own. */
  readonly command: readonly string[];
  readonly settings: readonly Setting[];
  /** Steps whose outputs are mounted at `/inputs/<step>`. */
  readonly inputs: readonly string[];
  readonly outputs: readonly Output[];
  /** None when it is left out. */
  readonly files?: readonly StepFile[];
  readonly network: boolean;
  /** Asks the mirror which packages there are and writes `list.tsv`; a list in the lock stands in for it. */
  readonly resolves?: boolean;
  /** One of `inputs`, a step that resolves: the packages of its list are mounted at `/packages`. */
  readonly packagesOf?: string;
  /** Debian architecture of programs that it executes, when it executes any but its own. */
  readonly executes?: string;
  readonly memoryBytes: number;
  /** Hardly any step waits for it: those that run at the same time get the processors first. */
  readonly background?: true;
  /** No container at all: the client fetches this, and `source.tar` is the output. */
  readonly checkout?: PinnedFolder;
  /** No container either: the client makes the outputs. */
  readonly client?: UpdateWork | ContentWork;
  /** No container either: the client fetches these, each into an output of its own. */
  readonly images?: readonly PinnedImage[];
  /** The build image is made from this instead of from `build-images/`. */
  readonly repository?: PinnedFolder;
  /** Only together with `repository`. */
  readonly hypriot?: HypriotContract;
  readonly cache?: StepCache;
  /** Mounts what this step made last, with whatever settings, at `/earlier`: to be quicker. It never changes what is made. */
  readonly seesEarlier?: true;
}

/** What a step makes that fetches a folder of a git repository. */
export const sourceArchive = 'source.tar';

/** What a step that resolves makes. */
export const packageList = 'list.tsv';

/** What it finds in its work folder when the lock had another list, to stay close to. */
export const previousPackageList = 'previous.tsv';

/** A file with its `.sha256` companion, as Hypriot's repositories make them. */
export function withDigest(name: string): Output[] {
  return [
    {name, delivered: true},
    {name: `${name}.sha256`, delivered: true},
  ];
}

/** A setting that is told only when it says something, so that what nobody uses changes no identity and no lock. */
export function optional(field: string, variable: string, value: string): Setting[] {
  return value === '' ? [] : [{field, variable, value}];
}

export const gibibyte = 1024 ** 3;
