import type Dockerode from 'dockerode';
import type {Readable} from 'node:stream';
import {isConflict, isNotFound} from './images.ts';
import {LineSplitter, LogDemuxer} from './log-demuxer.ts';

/** A machine of a swarm. */
export interface SwarmNode {
  readonly id: string;
  readonly name: string;
  /** As the kernel says it: `x86_64`, `aarch64`. */
  readonly machine: string;
  readonly cpus: number;
  readonly memoryBytes: number;
  /** Of its engine: `20.10.24`. */
  readonly version: string;
  /** It is up and takes work. */
  readonly ready: boolean;
}

/** A small file that the swarm keeps for its services. */
export interface ServiceFile {
  readonly id: string;
  readonly name: string;
  /** Where a container sees it. A secret lies in memory there, below `/run/secrets`. */
  readonly target: string;
  readonly mode: number;
}

/** A service that runs one container to its end; host paths and privileges cannot be expressed, on purpose. */
export interface ServiceSpec {
  readonly name: string;
  /** By digest, so that every node runs the same. */
  readonly image: string;
  readonly command: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly secrets: readonly ServiceFile[];
  readonly configs: readonly ServiceFile[];
  /** Folders of the container that lie in a volume of its own, which goes with it. */
  readonly scratch: readonly string[];
  readonly constraints: readonly string[];
  readonly memoryBytes: number;
  /** What a node must have left to get it. */
  readonly reservedMemoryBytes: number;
  readonly reservedCpus: number;
  readonly pids: number;
  /** How often it is started again, here or on another node, when it has not ended with status 0. */
  readonly restarts: number;
}

/** One start of a service on a node. */
export interface SwarmTask {
  readonly id: string;
  readonly serviceId: string;
  /** Absent until one is chosen. */
  readonly nodeId?: string;
  /** `pending`, `preparing`, `running`, `complete`, `failed`, `rejected`, … */
  readonly state: string;
  /** What the swarm wants of it: `shutdown` when another one takes its place. */
  readonly desired: string;
  /** Why it is in this state. */
  readonly message: string;
  readonly createdAt: string;
}

/** Something of hypriotkit's that the swarm keeps. */
export interface FoundInSwarm {
  readonly id: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** By the clock of the swarm's leader. */
  readonly updatedAt: Date;
}

/** How an engine gets images from a registry that wants to know who asks. */
export interface RegistryLogin {
  readonly username: string;
  readonly password: string;
  readonly serveraddress: string;
}

/** What can be kept in a swarm. */
type Kind = 'service' | 'secret' | 'config';

/** The swarm of which an engine is a manager. */
export class DockerSwarm {
  readonly #docker: Dockerode;

  constructor(docker: Dockerode) {
    this.#docker = docker;
  }

  /** Whether the engine manages a swarm, is a worker of one, or knows of none. */
  async role(): Promise<'manager' | 'worker' | 'none'> {
    const {Swarm: swarm} = (await this.#docker.info()) as {
      Swarm?: {LocalNodeState?: string; ControlAvailable?: boolean};
    };
    if (swarm?.ControlAvailable === true) return 'manager';
    return swarm?.LocalNodeState === 'active' ? 'worker' : 'none';
  }

  async nodes(): Promise<readonly SwarmNode[]> {
    const found = (await this.#docker.listNodes()) as unknown as readonly RawNode[];
    return found.map(({ID: id, Spec: spec, Description: description, Status: status}) => ({
      id,
      name: description.Hostname,
      machine: description.Platform.Architecture,
      cpus: (description.Resources.NanoCPUs ?? 0) / 1e9,
      memoryBytes: description.Resources.MemoryBytes ?? 0,
      version: description.Engine?.EngineVersion ?? '',
      ready: status.State === 'ready' && spec.Availability === 'active',
    }));
  }

  /** @returns its id; undefined when the name is taken. */
  async createService(spec: ServiceSpec, login: RegistryLogin | undefined): Promise<string | undefined> {
    return ifFree(async () => {
      const {id} = (await this.#docker.createService(
        login as Dockerode.AuthConfig,
        toServiceSpec(spec) as Dockerode.CreateServiceOptions,
      )) as Created;
      return id;
    });
  }

  /** A service that every node is to fetch an image for, and start nothing of. */
  async createFetch(
    {name, image, labels}: Pick<ServiceSpec, 'name' | 'image' | 'labels'>,
    login: RegistryLogin | undefined,
  ): Promise<string> {
    const spec = {
      Name: name,
      Labels: {...labels},
      Mode: {Global: {}},
      TaskTemplate: {
        // No image has such a program: that a node says so means that it has the image.
        ContainerSpec: {Image: image, Command: ['/hypriotkit-fetched'], Labels: {...labels}},
        RestartPolicy: {Condition: 'none'},
      },
    };
    const {id} = (await this.#docker.createService(
      login as Dockerode.AuthConfig,
      spec as Dockerode.CreateServiceOptions,
    )) as Created;
    return id;
  }

  /** @returns its id; undefined when the name is taken. */
  async createSecret(
    name: string,
    content: Buffer,
    labels: Readonly<Record<string, string>>,
  ): Promise<string | undefined> {
    return ifFree(async () => {
      const data = content.toString('base64');
      const {id} = (await this.#docker.createSecret({
        Name: name,
        Data: data,
        Labels: {...labels},
      })) as Created;
      return id;
    });
  }

  async createConfig(
    name: string,
    content: Buffer,
    labels: Readonly<Record<string, string>>,
  ): Promise<string> {
    const data = content.toString('base64');
    const {id} = (await this.#docker.createConfig({
      Name: name,
      Data: data,
      Labels: {...labels},
    })) as Created;
    return id;
  }

  /** Makes the leader note the present time at a config, and returns that. */
  async touchConfig(id: string): Promise<Date> {
    const config = this.#docker.getConfig(id);
    const {Version: version, Spec: spec} = (await config.inspect()) as {
      Version: {Index: number};
      Spec: {Labels: Record<string, string>};
    };
    const beat = String(Number(spec.Labels['beat'] ?? 0) + 1);
    try {
      await config.update({
        _query: {version: version.Index},
        _body: {...spec, Labels: {...spec.Labels, beat}},
      });
    } catch (error) {
      // The same run has just done it elsewhere; that counts as well.
      if (!(error instanceof Error && error.message.includes('update out of sequence'))) throw error;
    }
    return new Date(((await config.inspect()) as {UpdatedAt: string}).UpdatedAt);
  }

  /** What carries a label. */
  async list(kind: Kind, labelFilter: string): Promise<readonly FoundInSwarm[]> {
    const filters = {filters: {label: [labelFilter]}};
    const found = (await (kind === 'service'
      ? this.#docker.listServices(filters)
      : kind === 'secret'
        ? this.#docker.listSecrets(filters)
        : this.#docker.listConfigs(filters))) as unknown as readonly RawFound[];
    return found.map(({ID: id, Spec: spec, UpdatedAt: updatedAt}) => ({
      id,
      name: spec.Name,
      labels: spec.Labels ?? {},
      updatedAt: new Date(updatedAt),
    }));
  }

  async findService(name: string): Promise<FoundInSwarm | undefined> {
    const found = (await this.#docker.listServices({filters: {name: [name]}})) as unknown as RawFound[];
    // The engine finds everything that begins with the name.
    const service = found.find(({Spec: spec}) => spec.Name === name);
    return (
      service && {
        id: service.ID,
        name,
        labels: service.Spec.Labels ?? {},
        updatedAt: new Date(service.UpdatedAt),
      }
    );
  }

  /** Removes something; it need not exist. */
  async remove(kind: Kind, id: string): Promise<void> {
    const one =
      kind === 'service'
        ? this.#docker.getService(id)
        : kind === 'secret'
          ? this.#docker.getSecret(id)
          : this.#docker.getConfig(id);
    await one.remove().catch((error: unknown) => {
      if (!isNotFound(error)) throw error;
    });
  }

  /** The tasks of services, oldest first; of those that do not exist, none. */
  async tasks(serviceIds: readonly string[]): Promise<readonly SwarmTask[]> {
    if (serviceIds.length === 0) return [];
    const found = (await this.#docker
      .listTasks({filters: {service: [...serviceIds]}})
      .catch((error: unknown) => {
        if (isNotFound(error)) return [];
        throw error;
      })) as readonly RawTask[];
    return found
      .map((task) => ({
        id: task.ID,
        serviceId: task.ServiceID,
        ...(task.NodeID !== undefined && task.NodeID !== '' && {nodeId: task.NodeID}),
        state: task.Status.State,
        desired: task.DesiredState,
        message: task.Status.Err ?? task.Status.Message ?? '',
        createdAt: task.CreatedAt,
      }))
      .sort((a, b) => (a.createdAt < b.createdAt ? -1 : 1));
  }

  /**
   * Hands out what a task prints, line by line, until it ends or the manager loses it.
   *
   * @param since Time of the last line that is known (as the engine writes it): only later ones are handed out.
   */
  async followLog(
    taskId: string,
    since: string | undefined,
    onLine: (stream: 'stdout' | 'stderr', line: string, time: string) => void,
    signal: AbortSignal,
  ): Promise<void> {
    // Not in the types.
    const task = this.#docker.getTask(taskId) as unknown as {logs: (options: object) => Promise<Readable>};
    const stream = await task.logs({
      follow: true,
      stdout: true,
      stderr: true,
      timestamps: true,
      // In whole seconds; what has been seen is left out below.
      ...(since !== undefined && {since: Math.floor(Date.parse(since) / 1000)}),
      abortSignal: signal,
    });
    const split = (name: 'stdout' | 'stderr') =>
      new LineSplitter((text) => {
        const space = text.indexOf(' ');
        const time = text.slice(0, space);
        if (since === undefined || time > since) onLine(name, text.slice(space + 1), time);
      });
    const lines = {stdout: split('stdout'), stderr: split('stderr')};
    const demuxer = new LogDemuxer((name, payload) => lines[name].write(payload));
    for await (const chunk of stream) demuxer.write(chunk as Buffer);
    lines.stdout.end();
    lines.stderr.end();
  }
}

/** dockerode's handle of something; its types leave the id out. */
interface Created {
  readonly id: string;
}

interface RawNode {
  readonly ID: string;
  readonly Spec: {readonly Availability: string};
  readonly Description: {
    readonly Hostname: string;
    readonly Platform: {readonly Architecture: string};
    readonly Resources: {readonly NanoCPUs?: number; readonly MemoryBytes?: number};
    readonly Engine?: {readonly EngineVersion?: string};
  };
  readonly Status: {readonly State: string};
}

interface RawFound {
  readonly ID: string;
  readonly UpdatedAt: string;
  readonly Spec: {readonly Name: string; readonly Labels?: Record<string, string> | null};
}

interface RawTask {
  readonly ID: string;
  readonly ServiceID: string;
  readonly NodeID?: string;
  readonly DesiredState: string;
  readonly CreatedAt: string;
  readonly Status: {readonly State: string; readonly Err?: string; readonly Message?: string};
}

/** Engines answer 409 to a name that is taken. */
async function ifFree(create: () => Promise<string>): Promise<string | undefined> {
  try {
    return await create();
  } catch (error) {
    if (isConflict(error)) return undefined;
    throw error;
  }
}

function toServiceSpec(spec: ServiceSpec): object {
  return {
    Name: spec.name,
    Labels: {...spec.labels},
    // Not a job: one whose node dies is never run elsewhere (engine 20.10).
    Mode: {Replicated: {Replicas: 1}},
    TaskTemplate: {
      ContainerSpec: {
        Image: spec.image,
        Command: [...spec.command],
        Dir: '/',
        Labels: {...spec.labels},
        Mounts: spec.scratch.map((target) => ({Type: 'volume', Target: target})),
        Secrets: spec.secrets.map((file) => ({
          SecretID: file.id,
          SecretName: file.name,
          File: toFile(file),
        })),
        Configs: spec.configs.map((file) => ({ConfigID: file.id, ConfigName: file.name, File: toFile(file)})),
        // It has nothing to finish: what is not named in the registry does not exist.
        StopGracePeriod: 1e9,
      },
      Resources: {
        Limits: {MemoryBytes: spec.memoryBytes, Pids: spec.pids},
        Reservations: {
          MemoryBytes: spec.reservedMemoryBytes,
          NanoCPUs: Math.round(spec.reservedCpus * 1e9),
        },
      },
      RestartPolicy: {Condition: 'on-failure', Delay: 1e9, MaxAttempts: spec.restarts},
      Placement: {Constraints: [...spec.constraints]},
      // Whatever a node does with the logs of others: these are read back.
      LogDriver: {Name: 'json-file'},
    },
  };
}

function toFile({target, mode}: ServiceFile): object {
  return {Name: target, UID: '0', GID: '0', Mode: mode};
}
