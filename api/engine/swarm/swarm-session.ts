import type {DockerSwarm, FoundInSwarm, SwarmNode, SwarmTask} from '../../docker/swarm.ts';
import {label} from '../../docker/labels.ts';
import {PipelineError} from '../../errors.ts';
import type {Patience} from './patience.ts';
import {readWorkerProgram} from './worker-job.ts';

/** When a run counts as alive. */
export interface Heartbeat {
  /** How often it shows itself. One small write of the leader each time. */
  readonly everyMs: number;
  /** Without having shown itself for so long, it is dead. */
  readonly deadAfterMs: number;
}

const usualHeartbeat: Heartbeat = {everyMs: 20_000, deadAfterMs: 120_000};

const pollMs = 1000;

/**
 * One run's hold on a swarm.
 *
 * Everything that a run makes there carries its id as a label. The worker's program is kept as a config of its own for
 * each run, which the run touches now and then: the leader's clock, and no other, says how old that is. What belongs to a
 * run whose config is old, or gone, may be removed by anybody.
 */
export class SwarmSession {
  readonly swarm: DockerSwarm;
  readonly patience: Patience;
  readonly #labels: (role: string) => Record<string, string>;
  readonly #heartbeat: Heartbeat;
  #program: string | undefined;
  #beat: NodeJS.Timeout | undefined;
  #poll: NodeJS.Timeout | undefined;
  readonly #watched = new Map<string, (tasks: readonly SwarmTask[]) => void>();

  private constructor(
    swarm: DockerSwarm,
    labels: (role: string) => Record<string, string>,
    patience: Patience,
    heartbeat: Heartbeat,
  ) {
    this.#heartbeat = heartbeat;
    this.swarm = swarm;
    this.#labels = labels;
    this.patience = patience;
  }

  /**
   * Begins to work with the swarm that an engine manages, and removes what dead runs have left in it.
   *
   * @param labels Labels of what a run makes, by role.
   * @throws PipelineError `ENGINE_UNSUITABLE` when the engine manages none.
   */
  static async open(
    swarm: DockerSwarm,
    labels: (role: string) => Record<string, string>,
    patience: Patience,
    heartbeat = usualHeartbeat,
  ): Promise<SwarmSession> {
    const role = await swarm.role();
    if (role !== 'manager') {
      throw new PipelineError(
        'ENGINE_UNSUITABLE',
        role === 'none'
          ? 'the engine is not part of a swarm'
          : 'the engine is a worker of a swarm, not a manager',
        {
          hint:
            role === 'none'
              ? 'Make one with `docker swarm init`, or leave out --engine swarm.'
              : 'Point DOCKER_HOST, or --host, to a manager.',
        },
      );
    }
    const session = new SwarmSession(swarm, labels, patience, heartbeat);
    await session.#start();
    return session;
  }

  nodes(): Promise<readonly SwarmNode[]> {
    return this.patience.ask(() => this.swarm.nodes());
  }

  labels(role: string): Record<string, string> {
    return this.#labels(role);
  }

  /** The config that holds the worker's program. */
  get program(): {readonly id: string; readonly name: string} {
    return {id: this.#program ?? '', name: this.#name};
  }

  /** Calls back with the tasks of a service, once a second while the manager answers. One question for all services. */
  watch(serviceId: string, onTasks: (tasks: readonly SwarmTask[]) => void): Disposable {
    this.#watched.set(serviceId, onTasks);
    this.#poll ??= setTimeout(() => void this.#ask(), 0);
    return {[Symbol.dispose]: () => void this.#watched.delete(serviceId)};
  }

  /** Whether the run that something belongs to has died. */
  async isStale(found: FoundInSwarm): Promise<boolean> {
    const runs = await this.patience.ask(() => this.#runs());
    return this.#isStale(found.labels[label.run], runs);
  }

  /** Removes a service with the secret of the same name. */
  async removeService(name: string): Promise<void> {
    const service = await this.patience.ask(() => this.swarm.findService(name));
    if (service !== undefined) await this.patience.ask(() => this.swarm.remove('service', service.id));
    for (const secret of await this.patience.ask(() => this.swarm.list('secret', label.run))) {
      if (secret.name === name) await this.patience.ask(() => this.swarm.remove('secret', secret.id));
    }
  }

  /** Removes everything that this run has made in the swarm. */
  async close(): Promise<void> {
    clearInterval(this.#beat);
    clearTimeout(this.#poll);
    this.#watched.clear();
    await this.#removeOf((run) => run === this.#labels('')[label.run]);
  }

  get #name(): string {
    return `hypriotkit-worker-${this.#labels('')[label.run] ?? ''}`;
  }

  async #start(): Promise<void> {
    this.#program = await this.swarm.createConfig(
      this.#name,
      await readWorkerProgram(),
      this.#labels('worker'),
    );
    const {id} = this.program;
    this.#beat = setInterval(() => {
      // A manager that is away notes nothing for anybody.
      this.swarm.touchConfig(id).catch(() => undefined);
    }, this.#heartbeat.everyMs).unref();
    await this.swarm.touchConfig(id);
    const runs = await this.#runs();
    await this.#removeOf((run) => this.#isStale(run, runs));
  }

  /** When the leader has last heard of each run; of this one as well, which is what the others are compared to. */
  async #runs(): Promise<ReadonlyMap<string, Date>> {
    await this.swarm.touchConfig(this.program.id);
    const found = await this.swarm.list('config', label.run);
    return new Map(found.map(({labels, updatedAt}) => [labels[label.run] ?? '', updatedAt]));
  }

  #isStale(run: string | undefined, runs: ReadonlyMap<string, Date>): boolean {
    const mine = runs.get(this.#labels('')[label.run] ?? '');
    const heard = runs.get(run ?? '');
    return (
      heard === undefined ||
      mine === undefined ||
      mine.getTime() - heard.getTime() > this.#heartbeat.deadAfterMs
    );
  }

  /** Services first: the swarm removes no secret and no config that one of them uses. */
  async #removeOf(isGone: (run: string | undefined) => boolean): Promise<void> {
    for (const kind of ['service', 'secret', 'config'] as const) {
      for (const {id, labels} of await this.patience.ask(() => this.swarm.list(kind, label.run))) {
        if (isGone(labels[label.run])) await this.patience.ask(() => this.swarm.remove(kind, id));
      }
    }
  }

  async #ask(): Promise<void> {
    try {
      const tasks = await this.patience.ask(() => this.swarm.tasks([...this.#watched.keys()]));
      for (const [id, onTasks] of this.#watched) onTasks(tasks.filter(({serviceId}) => serviceId === id));
    } catch {
      // Stopped, or the manager stays away: whoever waits for a task asks it as well, and is told.
    }
    this.#poll = this.#watched.size === 0 ? undefined : setTimeout(() => void this.#ask(), pollMs);
  }
}
