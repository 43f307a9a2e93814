import {join} from 'node:path';
import {defaultConfigs} from '../configs/default-configs.ts';
import type {ContainerSpec} from '../api/docker/containers.ts';
import {ensureBaseImage, type BaseImage} from '../api/engine/base-image.ts';
import {ensureArchitecture} from '../api/engine/binfmt.ts';
import {builtinBuildImages, ensureBuildImage} from '../api/engine/build-image.ts';
import {ensureSessionVolume, openSession} from '../api/engine/open-session.ts';
import type {EngineSession} from '../api/engine/session.ts';

/** One container run of the build image of root_fs. */
export interface PackagesRun {
  /** Names its volume, in which the files stay until the room is closed. */
  readonly name: string;
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

export interface PackagesResult {
  readonly seconds: number;
  /** What the run said of how many packages it installed. */
  readonly packages: number;
  /** Volume with what it made. */
  readonly volume: string;
}

const tail = 20;

/**
 * The steps root_fs.resolve and root_fs.packages and the download between them, in one container: what a build does
 * that has nothing in its caches.
 */
export const resolveFetchInstall = `
  set -eu
  /builder/resolve.sh
  mkdir -p /inputs/root_fs.resolve /packages
  cp list.tsv /inputs/root_fs.resolve/
  cp list.tsv /packages/wanted.tsv
  (cd /packages && /usr/lib/hypriotkit/fetch-packages.sh)
  /builder/packages.sh
`;

/** Runs the build image of root_fs by itself, as the pipeline would, each run in an empty volume of its own. */
export class PackagesRoom implements AsyncDisposable {
  readonly #session: EngineSession;
  readonly #image: string;
  readonly #base: BaseImage;
  readonly #volumes: string[] = [];
  readonly #log: (line: string) => void;
  readonly #signal: AbortSignal;

  private constructor(
    session: EngineSession,
    base: BaseImage,
    image: string,
    log: (line: string) => void,
    signal: AbortSignal,
  ) {
    this.#session = session;
    this.#base = base;
    this.#image = image;
    this.#log = log;
    this.#signal = signal;
  }

  /** Makes what every run needs, so that no run pays for it: the images, and the emulator. */
  static async open(log: (line: string) => void, signal: AbortSignal): Promise<PackagesRoom> {
    const session = await openSession({volume: `hypriotkit-bench-${process.pid}`});
    try {
      await ensureSessionVolume(session);
      const base = await ensureBaseImage(session, {configs: defaultConfigs()}, log, () => undefined, signal);
      session.useBaseImage(base.reference);
      // Starts the attendant: while it runs, nobody takes this run's containers for left over.
      await session.run('true', []);
      const folder = join(builtinBuildImages(), 'root_fs');
      const image = await ensureBuildImage(session, {folder, base, onLine: () => undefined, signal});
      await ensureArchitecture(session, 'arm64', {mayRegister: true, image: base.reference}, log);
      return new PackagesRoom(session, base, image, log, signal);
    } catch (error) {
      await session.close();
      await session.volumes.remove(`hypriotkit-bench-${process.pid}`);
      throw error;
    }
  }

  async run({name, command, environment}: PackagesRun): Promise<PackagesResult> {
    const volume = `hypriotkit-bench-${process.pid}-${name}`;
    await this.#session.volumes.create(volume, this.#session.labels('view'));
    this.#volumes.push(volume);
    const lines: string[] = [];
    const startedMs = Date.now();
    const status = await this.#runContainer(
      {
        command,
        network: 'bridge',
        mounts: [{volume, target: '/workspace', readOnly: false}],
        environment: {
          SOURCE_DATE_EPOCH: String(this.#base.archiveDate),
          LC_ALL: 'C.UTF-8',
          TZ: 'UTC',
          QEMU_CPU: 'cortex-a72',
          DEBIAN_FRONTEND: 'noninteractive',
          ...environment,
        },
      },
      lines,
    );
    const seconds = (Date.now() - startedMs) / 1000;
    if (status !== 0)
      throw new Error(`${name} ended with exit status ${status}:\n${lines.slice(-tail).join('\n')}`);
    const packages =
      lines.map((line) => Number(/^(\d+) packages\b/.exec(line)?.[1])).findLast((count) => count > 0) ?? 0;
    this.#log(`${name}: ${seconds.toFixed(1)} s, ${packages} packages`);
    return {seconds, packages, volume};
  }

  /** Runs a shell script that sees volumes of earlier runs, read-only, by mount point; returns its status and lines. */
  async look(
    script: string,
    volumes: Readonly<Record<string, string>>,
  ): Promise<{status: number; lines: readonly string[]}> {
    const lines: string[] = [];
    const mounts = Object.entries(volumes).map(([target, volume]) => ({volume, target, readOnly: true}));
    const status = await this.#runContainer({command: ['sh', '-c', script], network: 'none', mounts}, lines);
    return {status, lines};
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#session.close();
    for (const volume of [...this.#volumes, `hypriotkit-bench-${process.pid}`]) {
      await this.#session.volumes.remove(volume);
    }
  }

  async #runContainer(
    spec: Pick<ContainerSpec, 'command' | 'network' | 'mounts' | 'environment'>,
    lines: string[],
  ): Promise<number> {
    const container = this.#session.own(
      await this.#session.containers.create({
        ...spec,
        image: this.#image,
        workingDirectory: '/workspace',
        labels: this.#session.labels('step'),
        // As the step has it.
        memoryBytes: 2 * 1024 ** 3,
        pids: 4096,
      }),
    );
    try {
      const {status} = await container.run((_stream, line) => lines.push(line), this.#signal);
      this.#signal.throwIfAborted();
      return status;
    } finally {
      await container.remove();
    }
  }
}
