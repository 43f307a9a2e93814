import {packageRoot} from '../../../configs/package-root.ts';
import {readFile} from 'node:fs/promises';
import {join} from 'node:path';

/** What a worker and a client must agree about; the same number stands in the worker's program. */
export const workerFormat = 1;

/** A blob of the registry: the list of an entry's files (`RegistryEntry`), by which the worker finds their parts. */
export interface WorkerInput {
  readonly step: string;
  /** `sha256:…` */
  readonly digest: string;
}

/** How a worker speaks to the registry. */
export interface WorkerRegistry {
  /** Without a slash at the end: `https://registry.example:5000`. */
  readonly url: string;
  readonly repository: string;
  readonly username?: string;
  readonly password?: string;
  /** PEM: authorities that its certificate may come from, besides those of the worker's image. */
  readonly authorities?: string;
  /** PEM: what the registry wants to be shown. */
  readonly client?: {readonly certificate: string; readonly key: string};
}

/** Everything that a worker is told. It travels as a secret of the swarm: settings and credentials are part of it. */
export interface WorkerJob {
  readonly format: number;
  /** Of hypriotkit, for messages. */
  readonly version: string;
  readonly registry: WorkerRegistry;
  readonly mediaTypes: Readonly<Record<'manifest' | 'entry' | 'part' | 'package' | 'empty', string>>;
  /** Of the step's result, without what only the worker knows: times and files. */
  readonly entry?: {
    readonly format: number;
    readonly step: string;
    readonly fingerprint: string;
    readonly inputs: unknown;
  };
  /** Digest of a manifest that has the result's name and is not the result. */
  readonly replaces?: string;
  /** The client's clock: workers count on from there. Milliseconds since 1970. */
  readonly createdMs: number;
  readonly inputs: readonly WorkerInput[];
  /** What of the user's own files the step needs, packed as `.files.tar`. */
  readonly files?: WorkerInput;
  /** The input whose packages lie at `/packages`. */
  readonly packagesOf?: string;
  /** A list of packages that a resolving step stays close to. */
  readonly previous?: string;
  /** Instead of a step: downloads the packages of a list and names them all; `some`: as far as they can be had. */
  readonly packages?: {readonly list: string; readonly tag: string; readonly some: boolean};
  readonly command: readonly string[];
  readonly folder: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly network: boolean;
  /** Names and patterns, as in `Output`. */
  readonly outputs: readonly string[];
  /** Folders that the step expects to exist. */
  readonly folders: readonly string[];
  /** A program of another architecture that must run there, in base64. */
  readonly probe?: {readonly architecture: string; readonly program: string};
}

/** The worker's program. */
export function readWorkerProgram(): Promise<Buffer> {
  return readFile(join(packageRoot(), 'build-images', 'swarm_worker', 'worker'));
}
