import {randomBytes} from 'node:crypto';
import {hostname, userInfo} from 'node:os';
import {Readable, type Duplex} from 'node:stream';
import type {LargeFileHost, VolumeHost} from '../../volumes/volume-host.ts';
import {VolumeScriptError} from '../../volumes/volume-host.ts';
import type {DockerConnection, EngineInfo} from '../docker/client.ts';
import {DockerContainers, type DockerContainer} from '../docker/containers.ts';
import {DockerImages, isNotFound} from '../docker/images.ts';
import {label} from '../docker/labels.ts';
import {DockerSwarm} from '../docker/swarm.ts';
import {readTarFile, readTarFiles, writeTar} from '../docker/tar.ts';
import {DockerVolumes} from '../docker/volumes.ts';
import {PipelineError} from '../errors.ts';
import type {VolumeReference} from './volume-reference.ts';

/** Where the attendant sees the whole volume. */
const volumeRoot = '/volume';

/** Where the attendant sees the volume that keeps the packages. */
const packagesRoot = '/package-volume';

/** An image of nothing: containers of it are never started, only used to read a volume. */
const scratchImage = {repository: 'hypriotkit/scratch', tag: '1'};

/**
 * One run's hold on an engine and a volume.
 *
 * Everything that a run makes in the engine carries its id as a label. Its *attendant* is a small container that has
 * the whole volume and does the store's file work; its stdin is held by this process, so it ends when this process
 * does, even by SIGKILL. A run is therefore alive exactly as long as its attendant runs, and what belongs to a dead
 * run may be removed by anybody.
 */
export class EngineSession implements VolumeHost {
  readonly engine: EngineInfo;
  readonly images: DockerImages;
  readonly containers: DockerContainers;
  readonly volumes: DockerVolumes;
  readonly swarm: DockerSwarm;
  readonly volume: VolumeReference;
  /** Where packages are kept; only a run that installs some has it. */
  readonly packageVolume: VolumeReference | undefined;
  readonly runId = randomBytes(6).toString('hex');
  readonly label: string;
  /** Steps do not run in this engine, so that the run goes on when it is started again. */
  outlivesEngine = false;
  #baseImage: string | undefined;
  #attendant: Promise<DockerContainer> | undefined;
  #rootFolder: Promise<string | undefined> | undefined;
  readonly #rootViews = new Map<VolumeReference, Promise<string>>();
  readonly #views = new Set<string>();
  readonly #held: Duplex[] = [];
  readonly #once = new Map<string, Promise<void>>();
  readonly #owned = new Set<DockerContainer>();

  constructor(connection: DockerConnection, volume: VolumeReference, packageVolume?: VolumeReference) {
    this.engine = connection.engine;
    this.images = new DockerImages(connection.docker);
    this.containers = new DockerContainers(connection.docker);
    this.volumes = new DockerVolumes(connection.docker);
    this.swarm = new DockerSwarm(connection.docker);
    this.volume = volume;
    this.packageVolume = packageVolume;
    this.label = volume.label;
  }

  /** Labels of everything that this run makes. */
  labels(role: string): Record<string, string> {
    return {
      [label.run]: this.runId,
      [label.role]: role,
      [label.volume]: this.volume.id,
      [label.owner]: owner(),
    };
  }

  /** Does something at most once in this run, however many steps ask for it. */
  once(what: string, action: () => Promise<void>): Promise<void> {
    const started = this.#once.get(what) ?? action();
    this.#once.set(what, started);
    return started;
  }

  /** Tells the session which image its attendant runs; nothing in the volume can be changed before. */
  useBaseImage(reference: string): void {
    this.#baseImage = reference;
  }

  /** Whether anything in the volume can be changed. */
  get hasBaseImage(): boolean {
    return this.#baseImage !== undefined;
  }

  run(script: string, args: readonly string[]): Promise<string> {
    return this.#run(volumeRoot, script, args);
  }

  runWithInput(script: string, args: readonly string[], input: AsyncIterable<Buffer>): Promise<string> {
    return this.#run(volumeRoot, script, args, input);
  }

  stream(command: readonly string[], onChunk: (chunk: Buffer) => Promise<void> | void): Promise<void> {
    return this.#stream(volumeRoot, command, onChunk);
  }

  writeFile(path: string, content: string): Promise<void> {
    return this.#writeFile(volumeRoot, path, content);
  }

  /** The volume that keeps the packages, for its cache. */
  get packageHost(): LargeFileHost {
    const volume = this.#requiredPackageVolume();
    return {
      label: volume.label,
      run: (script, args) => this.#run(packagesRoot, script, args),
      runWithInput: (script, args, input) => this.#run(packagesRoot, script, args, input),
      stream: (command, onChunk) => this.#stream(packagesRoot, command, onChunk),
      writeFile: (path, content) => this.#writeFile(packagesRoot, path, content),
      readFolder: (path) => this.#readFolder(volume, path),
      readFile: (path, read) => this.#readFile(volume, path, read),
    };
  }

  #requiredPackageVolume(): VolumeReference {
    if (this.packageVolume === undefined) throw new Error('this run was opened without a package volume');
    return this.packageVolume;
  }

  async #run(
    folder: string,
    script: string,
    args: readonly string[],
    input?: AsyncIterable<Buffer>,
  ): Promise<string> {
    const {status, stdout, stderr} = await this.#askAttendant((attendant) =>
      attendant.exec(['sh', '-c', script, 'sh', ...args], {
        workingDirectory: folder,
        ...(input && {input}),
      }),
    );
    if (status !== 0) throw new VolumeScriptError(status, stderr);
    return stdout.toString('utf8');
  }

  async #stream(
    folder: string,
    command: readonly string[],
    onChunk: (chunk: Buffer) => Promise<void> | void,
  ): Promise<void> {
    const {status, stderr} = await this.#askAttendant((attendant) =>
      attendant.exec(command, {workingDirectory: folder, onStdout: onChunk}),
    );
    if (status !== 0) throw new VolumeScriptError(status, stderr);
  }

  async #writeFile(root: string, path: string, content: string): Promise<void> {
    const attendant = await this.#startedAttendant();
    const slash = path.lastIndexOf('/');
    const tar = await writeTar([{name: path.slice(slash + 1), content: Buffer.from(content)}]);
    await attendant.writeArchive(`${root}/${path.slice(0, Math.max(slash, 0))}`, tar);
  }

  /** Unpacks a tar into a folder of the volume. */
  async writeArchive(path: string, tar: Readable): Promise<void> {
    const attendant = await this.#startedAttendant();
    await attendant.writeArchive(`${volumeRoot}/${path}`, tar);
  }

  readFolder(path: string): Promise<ReadonlyMap<string, Buffer>> {
    return this.#readFolder(this.volume, path);
  }

  rootFolder(): Promise<string | undefined> {
    return (this.#rootFolder ??= this.#rootPath(this.volume).catch(() => undefined));
  }

  async #readFolder(volume: VolumeReference, path: string): Promise<ReadonlyMap<string, Buffer>> {
    return (await this.#readArchive(volume, path, readTarFiles)) ?? new Map<string, Buffer>();
  }

  #readFile<T>(
    volume: VolumeReference,
    path: string,
    read: (content: Readable) => Promise<T>,
  ): Promise<T | undefined> {
    return this.#readArchive(volume, path, (tar) => readTarFile(tar, read));
  }

  /** By a container that is never started, so that it works without any image that has programs. */
  async #readArchive<T>(
    volume: VolumeReference,
    path: string,
    read: (tar: Readable) => Promise<T>,
  ): Promise<T | undefined> {
    await using reader = await this.createIdle(
      'probe',
      scratchImage.repository + ':' + scratchImage.tag,
      volume,
    );
    let tar: Readable;
    try {
      tar = await reader.readArchive(`${volumeRoot}/${path}`);
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
    return await read(tar);
  }

  /** A container that is never started: to read its image's files, or the volume. */
  async createIdle(role: string, image: string, volume?: VolumeReference): Promise<DockerContainer> {
    if (image.startsWith(`${scratchImage.repository}:`)) await this.#ensureScratchImage();
    const container = await this.containers.create({
      image,
      command: ['none'],
      network: 'none',
      labels: this.labels(role),
      mounts:
        volume === undefined ? [] : [{volume: await this.#root(volume), target: volumeRoot, readOnly: false}],
    });
    return this.own(container);
  }

  /** Takes responsibility for a container: `close` removes it if nobody did before. */
  own(container: DockerContainer | undefined): DockerContainer {
    if (container === undefined) throw new Error('a container without a name cannot be in conflict');
    this.#owned.add(container);
    return container;
  }

  /** Keeps a container's stdin open until the session closes; an open connection would keep the process alive. */
  hold(stdin: Duplex): void {
    stdin.on('error', () => undefined);
    this.#held.push(stdin);
  }

  /** Makes a volume that shows one folder of a volume (this run's by default), for a mount of a step. */
  async createView(path: string, volume: VolumeReference = this.volume): Promise<string> {
    const name = `hypriotkit-view-${this.runId}-${randomBytes(4).toString('hex')}`;
    await this.volumes.createView(name, `${await this.#rootPath(volume)}/${path}`, this.labels('view'));
    this.#views.add(name);
    return name;
  }

  /** The same for a folder of the volume that keeps the packages. */
  createPackageView(path: string): Promise<string> {
    return this.createView(path, this.#requiredPackageVolume());
  }

  async removeView(name: string): Promise<void> {
    if (await this.volumes.remove(name)) this.#views.delete(name);
  }

  /** Removes everything that this run made in the engine. */
  async close(): Promise<void> {
    const attendant = await this.#attendant?.catch(() => undefined);
    // The attendant last: as long as it runs, nobody takes the rest for left over.
    await Promise.all(
      [...this.#owned].filter((container) => container !== attendant).map((container) => container.remove()),
    );
    await attendant?.remove();
    for (const stdin of this.#held) stdin.destroy();
    await Promise.all([...this.#views].map((view) => this.volumes.remove(view)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #ensureScratchImage(): Promise<void> {
    const name = `${scratchImage.repository}:${scratchImage.tag}`;
    if (await this.images.find(name)) return;
    const tar = await writeTar([]);
    await this.images.importTar(Readable.from([tar]), scratchImage.repository, scratchImage.tag, [
      `LABEL ${label.image}=scratch`,
    ]);
  }

  /** Name of a volume that shows the root folder of a volume. */
  #root(volume: VolumeReference): Promise<string> {
    if (volume.kind === 'named') return Promise.resolve(volume.name);
    const view = this.#rootViews.get(volume) ?? this.createView('', volume);
    this.#rootViews.set(volume, view);
    return view;
  }

  async #rootPath(volume: VolumeReference): Promise<string> {
    if (volume.kind === 'folder') return volume.path;
    const found = await this.volumes.find(volume.name);
    if (found === undefined)
      throw new PipelineError('VOLUME_NOT_FOUND', `the volume ${volume.label} has been removed`);
    // A volume that is itself a view of a folder (driver option `device`) shows its content only while it is mounted.
    return found.options['o']?.includes('bind') && found.options['device']
      ? found.options['device']
      : found.mountpoint;
  }

  /** Asks the attendant for something; a new one when it has ended with an engine that was started again. */
  async #askAttendant<T>(ask: (attendant: DockerContainer) => Promise<T>): Promise<T> {
    const attendant = await this.#startedAttendant();
    if (!this.outlivesEngine || (await attendant.isRunning())) return ask(attendant);
    this.#attendant = undefined;
    await attendant.remove();
    return ask(await this.#startedAttendant());
  }

  #startedAttendant(): Promise<DockerContainer> {
    return (this.#attendant ??= this.#startAttendant());
  }

  async #startAttendant(): Promise<DockerContainer> {
    if (this.#baseImage === undefined)
      throw new Error('the base image must be known before the volume is changed');
    const attendant = this.own(
      await this.containers.create({
        image: this.#baseImage,
        command: ['sh', '-c', 'cat >/dev/null'],
        network: 'none',
        stdin: true,
        labels: this.labels('attendant'),
        mounts: [
          {volume: await this.#root(this.volume), target: volumeRoot, readOnly: false},
          ...(this.packageVolume === undefined
            ? []
            : [{volume: await this.#root(this.packageVolume), target: packagesRoot, readOnly: false}]),
        ],
      }),
    );
    // Held open, never written to: its end is what tells the container that this process is gone.
    this.hold(await attendant.attachStdin());
    await attendant.start();
    return attendant;
  }
}

function owner(): string {
  let user = 'somebody';
  try {
    user = userInfo().username;
  } catch {
    // A user id without an entry in the password file, as in many CI containers.
  }
  return `${user}@${hostname()}, process ${process.pid}`;
}
