import {setTimeout as sleep} from 'node:timers/promises';
import type {SwarmTask} from '../../docker/swarm.ts';
import type {SwarmSession} from './swarm-session.ts';
import {parseWorkerLine, type WorkerEnd} from './worker-report.ts';

/** A service that has nothing to start any more is left alone for so long, in case that the swarm begins again. */
const settledMs = 10_000;

/** How often the registry is asked while the manager cannot be. */
const proofMs = 3000;

/** States in which a task does nothing any more. */
const over = new Set(['complete', 'failed', 'rejected', 'shutdown', 'orphaned', 'remove']);

/** What an attempt says while it runs. */
export interface AttemptLog {
  readonly output: (stream: 'stdout' | 'stderr', line: string) => void;
  readonly progress: (message: string) => void;
}

/** How an attempt ended. */
export type AttemptEnd =
  /** The registry has the result. */
  | {readonly kind: 'proven'}
  /** The worker said what happened; `node` is where. */
  | {readonly kind: 'said'; readonly end: WorkerEnd; readonly node: string}
  /** Nobody knows: the swarm has given up, or somebody has removed the service. */
  | {readonly kind: 'lost'; readonly why: string};

/**
 * Follows a service until it has done its work.
 *
 * @param isProven asks the registry whether the result is there: nothing else counts as success.
 */
export async function followAttempt(
  session: SwarmSession,
  serviceId: string,
  isProven: () => Promise<boolean>,
  log: AttemptLog,
  signal: AbortSignal,
): Promise<AttemptEnd> {
  return new Attempt(session, serviceId, isProven, log, signal).follow();
}

class Attempt {
  readonly #session: SwarmSession;
  readonly #serviceId: string;
  readonly #isProven: () => Promise<boolean>;
  readonly #log: AttemptLog;
  readonly #signal: AbortSignal;
  readonly #readers = new Map<string, Promise<void>>();
  readonly #stop = new AbortController();
  #tasks: readonly SwarmTask[] | undefined;
  #end: {readonly end: WorkerEnd; readonly node: string} | undefined;
  #changedMs = Date.now();
  #shown = '';
  #nodes = new Map<string, string>();

  constructor(
    session: SwarmSession,
    serviceId: string,
    isProven: () => Promise<boolean>,
    log: AttemptLog,
    signal: AbortSignal,
  ) {
    this.#session = session;
    this.#serviceId = serviceId;
    this.#isProven = isProven;
    this.#log = log;
    this.#signal = signal;
  }

  async follow(): Promise<AttemptEnd> {
    using _watch = this.#session.watch(this.#serviceId, (tasks) => this.#see(tasks));
    this.#nodes = new Map((await this.#session.nodes()).map(({id, name}) => [id, name]));
    let askedMs = Date.now();
    try {
      for (;;) {
        this.#signal.throwIfAborted();
        const said = this.#said();
        if (said !== undefined) return (await this.#isProven()) ? {kind: 'proven'} : said;
        const away = this.#session.patience.isAway;
        const complete = this.#tasks?.some(({state}) => state === 'complete') === true;
        if (complete || (away && Date.now() - askedMs > proofMs)) {
          askedMs = Date.now();
          if (await this.#isProven()) return {kind: 'proven'};
        }
        const why = away ? undefined : this.#whyOver();
        if (why !== undefined) {
          // What it printed may be on its way still.
          await Promise.race([Promise.all(this.#readers.values()), sleep(settledMs)]);
          if (await this.#isProven()) return {kind: 'proven'};
          return this.#said() ?? {kind: 'lost', why};
        }
        await sleep(200, undefined, {signal: this.#signal});
      }
    } finally {
      this.#stop.abort();
    }
  }

  #said(): AttemptEnd | undefined {
    return this.#end && {kind: 'said', ...this.#end};
  }

  #see(tasks: readonly SwarmTask[]): void {
    const states = (of: readonly SwarmTask[]) => of.map(({id, state}) => `${id} ${state}`).join();
    if (this.#tasks === undefined || states(this.#tasks) !== states(tasks)) this.#changedMs = Date.now();
    this.#tasks = tasks;
    for (const task of tasks) {
      const begun = ['running', 'complete', 'failed'].includes(task.state) && task.nodeId !== undefined;
      if (begun && !this.#readers.has(task.id)) this.#readers.set(task.id, this.#read(task));
    }
    const newest = tasks.at(-1);
    if (newest === undefined || over.has(newest.state)) return;
    const node = this.#nameOf(newest);
    const what =
      newest.state === 'pending'
        ? `waiting for a node: ${newest.message}`
        : newest.state === 'preparing'
          ? `${node} fetches its build image`
          : '';
    if (what !== '' && what !== this.#shown) this.#log.progress(what);
    this.#shown = what;
  }

  /** Reads what a task prints, again from where it broke off when the manager has been away. */
  async #read(task: SwarmTask): Promise<void> {
    const node = this.#nameOf(task);
    let last: string | undefined;
    const onLine = (stream: 'stdout' | 'stderr', text: string, time: string) => {
      last = time;
      const line = parseWorkerLine(text);
      if (line.kind === 'output') this.#log.output(stream, line.line);
      else if (line.kind === 'progress') this.#log.progress(`${node}: ${line.message}`);
      else this.#end = {end: line.end, node: task.nodeId ?? ''};
    };
    while (!this.#stop.signal.aborted && this.#end === undefined) {
      await this.#session.swarm.followLog(task.id, last, onLine, this.#stop.signal).catch(() => undefined);
      const now = this.#tasks?.find(({id}) => id === task.id);
      if (now === undefined || over.has(now.state) || now.desired !== 'running') return;
      await sleep(500);
    }
  }

  /** Why nothing more can come of the service; undefined as long as something can. */
  #whyOver(): string | undefined {
    if (this.#tasks === undefined || Date.now() - this.#changedMs < settledMs) return undefined;
    const newest = this.#tasks.at(-1);
    if (newest === undefined) return 'somebody has removed its service';
    if (this.#tasks.some(({state}) => !over.has(state))) return undefined;
    return `${this.#nameOf(newest)}: ${newest.message}`;
  }

  #nameOf({nodeId}: SwarmTask): string {
    return nodeId === undefined ? 'no node' : (this.#nodes.get(nodeId) ?? nodeId);
  }
}
