import type {Artifact, DeliveredArtifact, EventListener, PlannedStep, Verbosity} from './events/event.ts';
import type {StepFailure} from './events/step-failure.ts';

/** Where artifacts are kept when nothing else is said. */
export const defaultVolume = 'hypriot-artifacts';

/** Where packages are kept when nothing else is said. */
export const defaultPackageVolume = 'hypriot-packages';

export interface EngineOptions {
  /**
   * Address of the engine as in `DOCKER_HOST`. By default `DOCKER_HOST`, the current Docker context, the system's
   * socket and the rootless socket are tried in this order.
   */
  readonly host?: string;
}

export interface CommonOptions extends EngineOptions {
  /** A named volume (default `hypriot-artifacts`), or the path of a folder on the engine's machine (starts with `/`, `./` or `../`). */
  readonly volume?: string;
  readonly onEvent?: EventListener;
  readonly signal?: AbortSignal;
}

export interface PackageOptions {
  /** A named volume (default `hypriot-packages`) or folder, as `volume`, that keeps every package ever installed. */
  readonly packageVolume?: string;
}

export interface ConfigOptions {
  /** Folder that receives the artifacts and whose `configs.json`, if there is one, is merged over the defaults. */
  readonly target?: string;
  /** A configs.json that lies elsewhere; replaces the one in `target`. */
  readonly config?: string;
  /** Of a configuration with a matrix: this variant only. */
  readonly variant?: string;
  /** A hypriotkit.lock that lies elsewhere than beside configs.json or in `target`. */
  readonly lockFile?: string;
}

export interface CacheOptions {
  /** Repositories of registries whose finished steps are used; default: `HYPRIOTKIT_CACHE_FROM`. */
  readonly cacheFrom?: readonly string[];
  /** Repositories that finished steps are sent to, each with `,mode=min` (default) or `,mode=max`; default: `HYPRIOTKIT_CACHE_TO`. */
  readonly cacheTo?: readonly string[];
  /** PEM files with public keys: only what one of them has signed is used. Default: `HYPRIOTKIT_CACHE_TRUST`. */
  readonly cacheTrust?: readonly string[];
  /** Registries (`host:port`) that are spoken to without TLS; those on this machine always are. */
  readonly insecureRegistries?: readonly string[];
  /** PEM file with the private key that signs what is sent. Default: `HYPRIOTKIT_CACHE_SIGN`. */
  readonly cacheSign?: string;
}

export interface SwarmOptions {
  /** Where steps run: in containers of the engine (`local`, the default), or as services of the swarm that it manages. */
  readonly engine?: 'local' | 'swarm';
  /** Repository through which a swarm's nodes get and hand on artifacts; `swarm` needs one. */
  readonly registry?: string;
}

export interface BuildOptions
  extends CommonOptions, PackageOptions, ConfigOptions, CacheOptions, SwarmOptions {
  /** An image to use as base image, pulled when absent, instead of making one as `base_image` says. */
  readonly image?: string;
  readonly verbosity?: Verbosity;
  /** What to build and deliver; by default what the user's configs.json lists, or everything. */
  readonly components?: readonly string[];
  /** False: never register an emulator with the engine's kernel, fail where one is needed; default true. */
  readonly registerBinfmt?: boolean;
  /** Components whose `repo` may run its container with all privileges of the engine's machine; no other ever does. */
  readonly allowPrivileged?: readonly string[];
  /** Build exactly what `hypriotkit.lock` says, or fail and say what differs. */
  readonly locked?: boolean;
  /** As `locked`, and without any network: packages come from the package volume only. */
  readonly offline?: boolean;
  /** Containers to run at once; default: the engine's CPUs, at most 4. */
  readonly jobs?: number;
  /** Of a matrix: how many steps that belong to one variant alone may run at once; default: as `jobs`. */
  readonly maxParallel?: number;
  /** Every time stamp in the artifacts, in seconds since 1970; default: the variable `SOURCE_DATE_EPOCH`, else the date of the package archive. */
  readonly sourceDateEpoch?: number;
}

/** What was sent to a registry. */
export interface PushedArtifacts {
  readonly to: string;
  /** How many finished steps it did not have. */
  readonly entries: number;
  /** Bytes that it did not have, and all bytes of those steps. */
  readonly sentBytes: number;
  readonly totalBytes: number;
  /** Why it does not have everything now. */
  readonly failure?: string;
}

/** How a variant of a matrix ended. */
export interface VariantResult {
  /** Also the folder below the target that its artifacts are in. */
  readonly variant: string;
  readonly outcome: 'done' | 'failed';
  readonly artifacts: readonly Artifact[];
  readonly delivered: readonly DeliveredArtifact[];
  readonly pushed: readonly PushedArtifacts[];
  /** Root failures only; several variants have the same one where it is that of a step that they share. */
  readonly failures: readonly StepFailure[];
}

export interface BuildResult {
  readonly volume: string;
  /** Every artifact of the requested components, in graph order. */
  readonly artifacts: readonly Artifact[];
  /** What lies in the target; empty without a target. */
  readonly delivered: readonly DeliveredArtifact[];
  /** One for each registry of `cacheTo`. */
  readonly pushed: readonly PushedArtifacts[];
  /** Of a matrix: how each variant ended, in the order of the file. One that failed has stopped no other. */
  readonly variants?: readonly VariantResult[];
  readonly durationMs: number;
}

export interface Plan {
  readonly volume: string;
  readonly steps: readonly PlannedStep[];
}

/** One finished step in the store. */
export interface StoredStep {
  readonly step: string;
  readonly fingerprint: string;
  /** ISO 8601, UTC. */
  readonly createdAt: string;
  readonly sizeBytes: number;
  readonly artifacts: readonly Artifact[];
}

/** What the volume with the packages holds; counts and size are absent while the engine has nothing to look with. */
export interface PackageVolumeStatus {
  readonly volume: string;
  readonly exists: boolean;
  readonly packages?: number;
  /** Images with tools, kept for locks. */
  readonly images?: number;
  readonly sizeBytes?: number;
}

export interface VolumeStatus {
  readonly volume: string;
  readonly exists: boolean;
  readonly sizeBytes: number;
  /** Newest first. */
  readonly entries: readonly StoredStep[];
  /** The volume that the artifacts' packages are kept in. */
  readonly packages: PackageVolumeStatus;
}

/** One check of `doctor`. */
export interface DoctorOptions extends CommonOptions, SwarmOptions {
  /** Registries (`host:port`) that are spoken to without TLS. */
  readonly insecureRegistries?: readonly string[];
}

export interface DoctorCheck {
  readonly name: string;
  readonly status: 'ok' | 'warning' | 'failed';
  /** What was found. */
  readonly detail: string;
  /** The exact command or change that repairs it. */
  readonly fix?: string;
}

export interface BootOptions extends CommonOptions, PackageOptions, ConfigOptions {
  /** Path of an `.img`; by default the image of the last build in the target, else in the volume. */
  readonly image?: string;
  /** Shell commands that must exit 0 inside the booted system, besides the default assertions. */
  readonly assertions?: readonly string[];
  /** Credentials for the serial console; by default those of `root_fs` in the configuration. */
  readonly username?: string;
  readonly password?: string;
  /** What the image is on: a card (default), or a USB stick. */
  readonly drive?: 'sd' | 'usb';
  /** What the board is connected to: nothing (default), or a wire where it gets an address by DHCP and reaches nobody else. */
  readonly network?: 'none' | 'wired';
  /** How often the same copy of the card is booted, with all assertions each time; default 1. */
  readonly boots?: number;
  /** Seconds until a boot that has not succeeded counts as failed; default 900. */
  readonly timeoutSeconds?: number;
  /** Called with each line of the serial console. */
  readonly onConsole?: (line: string) => void;
  /** Keep the machine running and hand its console over when the assertions hold. */
  readonly attach?: (console: {
    readonly output: NodeJS.ReadableStream;
    readonly input: NodeJS.WritableStream;
  }) => Promise<void>;
}

export interface BootAssertion {
  /** Begins with `boot 2: ` at the second boot, and so on. */
  readonly name: string;
  readonly passed: boolean;
  /** What the command printed. */
  readonly output: string;
}

export interface BootResult {
  readonly image: string;
  /** Seconds from the start of the emulated machine to its login prompt, at the first boot. */
  readonly loginSeconds: number;
  /** Each boot; for a later one the time is that from the command to restart to the login prompt. */
  readonly boots: readonly {readonly loginSeconds: number}[];
  readonly assertions: readonly BootAssertion[];
  readonly passed: boolean;
}

/** Without any of the first five: the whole volume and the build images. With several, what all of them say. */
export interface CleanOptions extends CommonOptions, PackageOptions, ConfigOptions {
  /** Registries (`host:port`) that are spoken to without TLS. */
  readonly insecureRegistries?: readonly string[];
  /** In this repository of a registry, and not in the volume. */
  readonly registry?: string;
  /** Only the packages and kept images, whatever else is said: what a lock names can then only be had from a mirror. */
  readonly packages?: boolean;
  /** Only the stored artifacts of these components. */
  readonly components?: readonly string[];
  /** Only what the current configuration (see `target` and `config`) would not use. */
  readonly unreachable?: boolean;
  /** Only what was made at least that long ago. */
  readonly olderThanMs?: number;
  /** Only what does not fit: the newest entries stay, up to so many bytes together. */
  readonly keepBytes?: number;
  /** The base image of the configuration, as in {@link BuildOptions}; counts for `unreachable`. */
  readonly image?: string;
  /** Only say what would be removed. */
  readonly dryRun?: boolean;
}

export interface CleanResult {
  readonly volume: string;
  /** What was removed, one line each for people. */
  readonly removed: readonly string[];
  readonly freedBytes: number;
  /** The entries of the store among it, newest first. */
  readonly entries: readonly StoredStep[];
}

/** A lock that has been made anew. */
export interface Relocked {
  readonly file: string;
  /** What changed, one sentence each: `root_fs: vim 2:9.1 → 2:9.2`; all of it when there was no lock. */
  readonly changes: readonly string[];
}

export interface UpgradeResult {
  /** Reference of the base image. */
  readonly image: string;
  /** Absent without a configuration file or target beside which a lock could lie. */
  readonly lock?: Relocked;
}
