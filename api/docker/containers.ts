import type Dockerode from 'dockerode';
import {once} from 'node:events';
import type {Duplex} from 'node:stream';
import {PassThrough, type Readable} from 'node:stream';
import {isConflict, isNotFound} from './images.ts';
import {LineSplitter, LogDemuxer} from './log-demuxer.ts';

/** A named volume in a container. Host paths cannot be expressed, on purpose. */
export interface VolumeMount {
  readonly volume: string;
  readonly target: string;
  readonly readOnly: boolean;
}

export interface ContainerSpec {
  readonly name?: string;
  readonly image: string;
  /** Empty: what the image itself has. */
  readonly command: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly workingDirectory?: string;
  readonly mounts?: readonly VolumeMount[];
  readonly network: 'bridge' | 'none';
  readonly labels: Readonly<Record<string, string>>;
  readonly memoryBytes?: number;
  readonly pids?: number;
  /** Its share of the processors when they are busy, against 1024 of a container that says nothing. */
  readonly cpuShares?: number;
  /** Keeps stdin open until the client closes it or dies. */
  readonly stdin?: boolean;
  /** Only the registration of binfmt needs any. */
  readonly extraCapabilities?: readonly string[];
  /** Everything that root of the engine's machine may do. Only for what a user has allowed by name. */
  readonly privileged?: boolean;
  /** Only the registration of binfmt lifts the engine's confinement, to write below /proc/sys. */
  readonly unconfined?: boolean;
}

export interface ContainerExit {
  readonly status: number;
  /** The kernel killed a process of it because `memoryBytes` was reached. */
  readonly outOfMemory: boolean;
}

export interface ExecResult {
  readonly status: number;
  readonly stdout: Buffer;
  readonly stderr: string;
}

/** A container that exists; `remove` it in every case. */
export class DockerContainer {
  readonly id: string;
  readonly #docker: Dockerode;
  readonly #container: Dockerode.Container;

  constructor(docker: Dockerode, id: string) {
    this.id = id;
    this.#docker = docker;
    this.#container = docker.getContainer(id);
  }

  async start(): Promise<void> {
    await this.#container.start();
  }

  /** Runs it to its end and hands out its output line by line. Aborting kills it. */
  async run(
    onLine: (stream: 'stdout' | 'stderr', line: string) => void,
    signal?: AbortSignal,
  ): Promise<ContainerExit> {
    // Attached and waited for before the start, so that neither output nor the exit can be missed.
    const stream = await this.#container.attach({stream: true, stdout: true, stderr: true});
    const lines = {
      stdout: new LineSplitter((line) => onLine('stdout', line)),
      stderr: new LineSplitter((line) => onLine('stderr', line)),
    };
    const demuxer = new LogDemuxer((name, payload) => lines[name].write(payload));
    const outputEnded = new Promise<void>((resolve, reject) => {
      stream.on('data', (chunk: Buffer) => demuxer.write(chunk));
      stream.once('end', resolve).once('close', resolve).once('error', reject);
    });
    const exited = this.#container.wait({condition: 'next-exit'}) as Promise<{StatusCode: number}>;
    // A container that cannot start never exits; the error of start() is the one that counts.
    exited.catch(() => undefined);
    const stop = () => void this.kill();
    signal?.addEventListener('abort', stop, {once: true});
    try {
      await this.#container.start();
      if (signal?.aborted) await this.kill();
      const {StatusCode: status} = await exited;
      await outputEnded;
      lines.stdout.end();
      lines.stderr.end();
      const {State: state} = await this.#container.inspect();
      return {
        status,
        outOfMemory: state.OOMKilled || (status === killedStatus && (await this.#reachedMemoryLimit(state))),
      };
    } finally {
      signal?.removeEventListener('abort', stop);
    }
  }

  /**
   * Whether the engine has seen the container reach its memory limit. Its state tells that only if the kernel's message
   * about it overtook the one about the container's end; the list of events tells it in any order.
   */
  async #reachedMemoryLimit(state: {StartedAt: string; FinishedAt: string}): Promise<boolean> {
    // Times of the engine, whose clock may not be ours. An end in the future makes the engine wait for it.
    const events = await this.#docker.getEvents({
      since: Date.parse(state.StartedAt) / 1000,
      until: Date.parse(state.FinishedAt) / 1000 + 0.5,
      filters: {container: [this.id], event: ['oom']},
    });
    for await (const event of events) if (event.length > 0) return true;
    return false;
  }

  /** The container's stdin; the container sees its end when this process dies. */
  async attachStdin(): Promise<Duplex> {
    return (await this.#container.attach({stream: true, stdin: true, hijack: true})) as Duplex;
  }

  /** Stdin and demultiplexed output of a container that has not been started. */
  async attachConsole(): Promise<{input: Duplex; output: PassThrough}> {
    const input = (await this.#container.attach({
      stream: true,
      stdin: true,
      stdout: true,
      stderr: true,
      hijack: true,
    })) as Duplex;
    const output = new PassThrough();
    const demuxer = new LogDemuxer((_stream, payload) => output.write(Buffer.from(payload)));
    input.on('data', (chunk: Buffer) => demuxer.write(chunk));
    input.once('end', () => output.end()).once('error', (error) => output.destroy(error));
    return {input, output};
  }

  async wait(): Promise<number> {
    const {StatusCode} = (await this.#container.wait()) as {StatusCode: number};
    return StatusCode;
  }

  /** Runs a program inside the running container and collects what it prints. */
  async exec(
    command: readonly string[],
    options: {
      workingDirectory?: string;
      onStdout?: (chunk: Buffer) => Promise<void> | void;
      /** What it reads on stdin. */
      input?: AsyncIterable<Buffer>;
    } = {},
  ): Promise<ExecResult> {
    const exec = await this.#container.exec({
      Cmd: [...command],
      AttachStdout: true,
      AttachStderr: true,
      ...(options.input && {AttachStdin: true}),
      ...(options.workingDirectory && {WorkingDir: options.workingDirectory}),
    });
    const stream = await exec.start({hijack: true, stdin: options.input !== undefined});
    // A program that ends early closes the connection: its exit status says more than that.
    const written = options.input && sendInput(options.input, stream);
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    const pending: Buffer[] = [];
    const demuxer = new LogDemuxer((name, payload) => {
      if (name === 'stderr') stderr.push(Buffer.from(payload));
      else if (options.onStdout) pending.push(payload);
      else stdout.push(Buffer.from(payload));
    });
    for await (const chunk of stream) {
      demuxer.write(chunk as Buffer);
      for (const payload of pending.splice(0)) await options.onStdout?.(payload);
    }
    await written;
    const {ExitCode: status} = await exec.inspect();
    return {status: status ?? -1, stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr).toString()};
  }

  /** A file or folder as tar; works for a container that was never started. */
  async readArchive(path: string): Promise<Readable> {
    return (await this.#container.getArchive({path})) as Readable;
  }

  /** Unpacks a tar below `path`; works for a container that was never started. */
  async writeArchive(path: string, tar: Readable | Buffer): Promise<void> {
    await this.#container.putArchive(tar, {path});
  }

  async kill(): Promise<void> {
    // It may be gone, or not running any more: then there is nothing left to kill.
    await this.#container.kill().catch(() => undefined);
  }

  async isRunning(): Promise<boolean> {
    try {
      return (await this.#container.inspect()).State.Running;
    } catch (error) {
      if (isNotFound(error)) return false;
      throw error;
    }
  }

  /** Resolves when somebody, here or elsewhere, has removed it. */
  async waitUntilRemoved(signal?: AbortSignal): Promise<void> {
    await this.#waitUntil('removed', signal);
  }

  /** Resolves when it does not run any more, or does not exist. */
  async waitUntilStopped(signal?: AbortSignal): Promise<void> {
    await this.#waitUntil('not-running', signal);
  }

  async #waitUntil(condition: 'removed' | 'not-running', signal: AbortSignal | undefined): Promise<void> {
    await this.#container
      .wait({condition, ...(signal && {abortSignal: signal})} as Dockerode.ContainerWaitOptions)
      .catch((error: unknown) => {
        if (!isNotFound(error)) throw error;
      });
  }

  /** Kills it if it runs, and removes it with its anonymous volumes. */
  async remove(): Promise<void> {
    await this.#docker
      .getContainer(this.id)
      .remove({force: true, v: true})
      .catch((error: unknown) => {
        // 409: another process is removing it at this moment.
        if (!isNotFound(error) && !isConflict(error)) throw error;
      });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.remove();
  }
}

/** A container found by its labels. */
export interface FoundContainer {
  readonly id: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly running: boolean;
  /** It has run, and does not any more; neither this nor `running` is true of one that has not been started yet. */
  readonly ended: boolean;
  readonly createdAt: Date;
}

/** The containers of an engine. */
export class DockerContainers {
  readonly #docker: Dockerode;

  constructor(docker: Dockerode) {
    this.#docker = docker;
  }

  /** Creates a container. `undefined` when `spec.name` is taken. */
  async create(spec: ContainerSpec): Promise<DockerContainer | undefined> {
    try {
      const container = await this.#docker.createContainer(toCreateOptions(spec));
      return new DockerContainer(this.#docker, container.id);
    } catch (error) {
      if (spec.name !== undefined && isConflict(error)) return undefined;
      throw error;
    }
  }

  get(id: string): DockerContainer {
    return new DockerContainer(this.#docker, id);
  }

  async findByName(name: string): Promise<FoundContainer | undefined> {
    try {
      const found = await this.#docker.getContainer(name).inspect();
      return {
        id: found.Id,
        labels: found.Config.Labels,
        running: found.State.Running,
        ended: hasEnded(found.State.Status),
        createdAt: new Date(found.Created),
      };
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  /** Every container, running or not, that carries the label. */
  async list(labelFilter: string): Promise<readonly FoundContainer[]> {
    const found = await this.#docker.listContainers({all: true, filters: {label: [labelFilter]}});
    return found.map((container) => ({
      id: container.Id,
      labels: container.Labels,
      running: container.State === 'running',
      ended: hasEnded(container.State),
      createdAt: new Date(container.Created * 1000),
    }));
  }
}

/** @throws what the input throws; the program's end is no error. */
async function sendInput(input: AsyncIterable<Buffer>, stream: Duplex): Promise<void> {
  const closed = new Promise<void>((resolve) => stream.once('close', resolve).once('end', resolve));
  try {
    for await (const chunk of input) {
      if (stream.destroyed || stream.readableEnded) return;
      if (!stream.write(chunk)) await Promise.race([once(stream, 'drain').catch(() => undefined), closed]);
    }
    stream.end();
  } catch (error) {
    stream.destroy();
    throw error;
  }
}

/** 128 + SIGKILL. */
const killedStatus = 137;

function hasEnded(state: string): boolean {
  return state === 'exited' || state === 'dead';
}

function toCreateOptions(spec: ContainerSpec): Dockerode.ContainerCreateOptions {
  return {
    ...(spec.name !== undefined && {name: spec.name}),
    Image: spec.image,
    // Cmd alone would be handed to an entry point that a foreign image may have.
    ...(spec.command.length > 0 && {
      Entrypoint: [...spec.command.slice(0, 1)],
      Cmd: [...spec.command.slice(1)],
    }),
    Env: Object.entries(spec.environment ?? {}).map(([name, value]) => `${name}=${value}`),
    ...(spec.workingDirectory !== undefined && {WorkingDir: spec.workingDirectory}),
    Labels: {...spec.labels},
    ...(spec.stdin && {OpenStdin: true, StdinOnce: true, AttachStdin: true}),
    HostConfig: {
      Mounts: (spec.mounts ?? []).map((mount) => ({
        Type: 'volume',
        Source: mount.volume,
        Target: mount.target,
        ReadOnly: mount.readOnly,
      })),
      NetworkMode: spec.network,
      ...(spec.memoryBytes !== undefined && {Memory: spec.memoryBytes, MemorySwap: spec.memoryBytes}),
      ...(spec.pids !== undefined && {PidsLimit: spec.pids}),
      ...(spec.cpuShares !== undefined && {CpuShares: spec.cpuShares}),
      ...(spec.extraCapabilities && {CapAdd: [...spec.extraCapabilities]}),
      ...(spec.privileged && {Privileged: true}),
      SecurityOpt: spec.unconfined ? ['seccomp=unconfined', 'apparmor=unconfined'] : ['no-new-privileges'],
      // What `--security-opt systempaths=unconfined` of the docker command sends: nothing masked, nothing read-only.
      ...(spec.unconfined && {MaskedPaths: [], ReadonlyPaths: []}),
    },
  };
}
