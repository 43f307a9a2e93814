/** A step, as a simulation sees it. */
export interface SimulatedStep {
  readonly name: string;
  readonly needs: readonly string[];
  readonly fetchedMegabytes: number;
  readonly seconds: number;
  readonly sentMegabytes: number;
}

export interface SimulatedSwarm {
  readonly nodes: number;
  /** Steps that a node runs at once. */
  readonly slotsPerNode: number;
  /** What the network of a node carries in a second. */
  readonly nodeMegabytes: number;
  /** What the registry carries in a second, both ways together. */
  readonly registryMegabytes: number;
  /** From the request for a service until its worker begins. */
  readonly startSeconds: number;
}

export interface SimulatedRun {
  readonly seconds: number;
  /** Shares of the whole time. */
  readonly cpuBusy: number;
  readonly registryBusy: number;
  readonly gigabytes: number;
  /** Writes to the store of the swarm's managers, on average. */
  readonly writesPerSecond: number;
}

/** A secret and a service are made and removed, and a task goes through eight states. */
const writesPerStep = 12;

type Phase = 'start' | 'fetch' | 'work' | 'send';

interface Running {
  readonly step: SimulatedStep;
  readonly node: number;
  phase: Phase;
  /** Seconds, or megabytes while something travels. */
  left: number;
}

/**
 * Runs steps in a swarm that exists on paper. Each goes through the phases of a worker; what travels shares the network
 * of its node and that of the registry evenly.
 */
export class Simulation {
  readonly #steps: readonly SimulatedStep[];
  readonly #swarm: SimulatedSwarm;
  readonly #missing = new Map<SimulatedStep, number>();
  readonly #dependents = new Map<string, SimulatedStep[]>();
  readonly #ready: SimulatedStep[] = [];
  readonly #load: number[];
  readonly #running = new Set<Running>();

  constructor(steps: readonly SimulatedStep[], swarm: SimulatedSwarm) {
    this.#steps = steps;
    this.#swarm = swarm;
    this.#load = Array.from({length: swarm.nodes}, () => 0);
    for (const step of steps) {
      this.#missing.set(step, step.needs.length);
      for (const need of step.needs)
        this.#dependents.set(need, [...(this.#dependents.get(need) ?? []), step]);
      if (step.needs.length === 0) this.#ready.push(step);
    }
  }

  run(): SimulatedRun {
    const {nodes, slotsPerNode, registryMegabytes} = this.#swarm;
    let [now, worked, moved] = [0, 0, 0];
    for (;;) {
      this.#place();
      if (this.#running.size === 0) break;
      const rates = this.#rates();
      // Until the next one ends its phase; those that end within a moment of it end with it.
      const elapsed = Math.max(
        0.01,
        Math.min(...[...this.#running].map((one) => one.left / (rates.get(one) ?? 1))),
      );
      now += elapsed;
      for (const one of [...this.#running]) {
        const done = Math.min(one.left, elapsed * (rates.get(one) ?? 1));
        one.left -= done;
        if (one.phase === 'work') worked += done;
        if (one.phase === 'fetch' || one.phase === 'send') moved += done;
        if (one.left <= 1e-9) this.#advance(one);
      }
    }
    return {
      seconds: now,
      cpuBusy: worked / (now * nodes * slotsPerNode),
      registryBusy: moved / (now * registryMegabytes),
      gigabytes: moved / 1000,
      writesPerSecond: (this.#steps.length * writesPerStep) / now,
    };
  }

  /** The swarm gives a service to the node with the fewest. */
  #place(): void {
    for (;;) {
      const least = Math.min(...this.#load);
      const step = least < this.#swarm.slotsPerNode ? this.#ready.shift() : undefined;
      if (step === undefined) return;
      const node = this.#load.indexOf(least);
      this.#load[node] = least + 1;
      this.#running.add({step, node, phase: 'start', left: this.#swarm.startSeconds});
    }
  }

  #rates(): ReadonlyMap<Running, number> {
    const travelling = [...this.#running].filter(({phase}) => phase === 'fetch' || phase === 'send');
    const onNode = new Map<number, number>();
    for (const {node} of travelling) onNode.set(node, (onNode.get(node) ?? 0) + 1);
    const share = this.#swarm.registryMegabytes / Math.max(1, travelling.length);
    return new Map(
      travelling.map((one) => [
        one,
        Math.min(share, this.#swarm.nodeMegabytes / (onNode.get(one.node) ?? 1)),
      ]),
    );
  }

  #advance(one: Running): void {
    const {step} = one;
    const next: Readonly<Record<Phase, readonly [Phase, number] | undefined>> = {
      start: ['fetch', step.fetchedMegabytes],
      fetch: ['work', step.seconds],
      work: ['send', step.sentMegabytes],
      send: undefined,
    };
    const following = next[one.phase];
    if (following !== undefined) {
      [one.phase, one.left] = following;
      return;
    }
    this.#running.delete(one);
    this.#load[one.node] = (this.#load[one.node] ?? 1) - 1;
    for (const dependent of this.#dependents.get(step.name) ?? []) {
      const missing = (this.#missing.get(dependent) ?? 0) - 1;
      this.#missing.set(dependent, missing);
      if (missing === 0) this.#ready.push(dependent);
    }
  }
}
