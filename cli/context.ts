import type {
  BootOptions,
  BootResult,
  BuildOptions,
  BuildResult,
  CleanOptions,
  CleanResult,
  CommonOptions,
  ConfigOptions,
  DoctorCheck,
  PackageOptions,
  Plan,
  UpgradeResult,
  VolumeStatus,
} from '../api/options.ts';
import type {BlockDevice} from '../api/flash/block-device.ts';
import type {
  FlashOptions,
  FlashResult,
  PersonaliseOptions,
  PersonaliseResult,
} from '../api/flash/flash-options.ts';
import type {Explanation} from '../api/pipeline/explain.ts';
import type {VerifyOptions, VerifyResult} from '../api/pipeline/verify-result.ts';
import type {ChalkInstance} from 'chalk';
import {colorsFor} from './colors.ts';
import type {ExitCode} from './exit-code.ts';
import {Interrupt} from './interrupt.ts';
import {symbolsFor, type Symbols} from './symbols.ts';

/** What the commands use of the library. */
export interface Api {
  readonly build: (options?: BuildOptions) => Promise<BuildResult>;
  readonly plan: (options?: BuildOptions) => Promise<Plan>;
  readonly explain: (options?: BuildOptions) => Promise<Explanation>;
  readonly verify: (options?: VerifyOptions) => Promise<VerifyResult>;
  readonly status: (options?: CommonOptions) => Promise<VolumeStatus>;
  readonly clean: (options?: CleanOptions) => Promise<CleanResult>;
  readonly doctor: (options?: CommonOptions) => Promise<readonly DoctorCheck[]>;
  readonly bootImage: (options?: BootOptions) => Promise<BootResult>;
  readonly upgrade: (
    options?: CommonOptions & PackageOptions & ConfigOptions & {image?: string},
  ) => Promise<UpgradeResult>;
  readonly flash: (options: FlashOptions) => Promise<FlashResult>;
  readonly personalise: (options: PersonaliseOptions) => Promise<PersonaliseResult>;
  readonly listDevices: () => Promise<readonly BlockDevice[]>;
}

/** A place to print to. */
export interface Output {
  write(text: string | Uint8Array): unknown;
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  readonly rows?: number | undefined;
  on?(event: 'resize', listener: () => void): unknown;
  off?(event: 'resize', listener: () => void): unknown;
}

/** What surrounds a run of the command line: its streams, its environment, and the library. */
export interface CliContext {
  /** Results only. */
  readonly stdout: Output;
  /** Everything else: progress, questions, errors. */
  readonly stderr: Output;
  readonly stdin: NodeJS.ReadStream;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly symbols: Symbols;
  readonly interrupt: Interrupt;
  /** Loads the library, which takes longer than everything that `--help` needs. */
  loadApi(): Promise<Api>;
  colors(stream: 'stdout' | 'stderr'): Promise<ChalkInstance>;
  /** Called for `--no-color`. */
  disableColors(): void;
  setExitCode(code: ExitCode): void;
}

/** The context of the real process. */
export function createContext(overrides: Partial<CliContext> = {}): CliContext {
  const env = overrides.env ?? process.env;
  let allowed = true;
  return {
    stdout: process.stdout,
    stderr: process.stderr,
    stdin: process.stdin,
    env,
    symbols: symbolsFor(env),
    interrupt: new Interrupt(),
    loadApi: () => import('../api/index.ts'),
    colors: (stream) => colorsFor(stream, {env, allowed}),
    disableColors: () => {
      allowed = false;
    },
    setExitCode: (code) => {
      process.exitCode = code;
    },
    ...overrides,
  };
}
