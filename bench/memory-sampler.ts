import type Dockerode from 'dockerode';

/** Memory that containers really hold: anonymous pages. The page cache, which the kernel can take back, does not count. */
interface MemoryStats {
  readonly stats?: {readonly total_rss?: number; readonly anon?: number};
}

/** Watches the containers of a run and remembers the most memory that each step's container had. */
export class MemorySampler {
  readonly peaks = new Map<string, number>();
  readonly #docker: Dockerode;
  readonly #labels: {readonly run: string; readonly step: string};
  readonly #timer: NodeJS.Timeout;

  constructor(docker: Dockerode, labels: {readonly run: string; readonly step: string}) {
    this.#docker = docker;
    this.#labels = labels;
    this.#timer = setInterval(() => void this.#sample().catch(() => undefined), 500);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  async #sample(): Promise<void> {
    const containers = await this.#docker.listContainers({filters: {label: [this.#labels.step]}});
    await Promise.all(
      containers.map(async (container) => {
        const answer: unknown = await this.#docker
          .getContainer(container.Id)
          .stats({stream: false, 'one-shot': true});
        const {memory_stats: memory} = answer as {memory_stats: MemoryStats};
        const bytes = memory.stats?.total_rss ?? memory.stats?.anon ?? 0;
        const step = container.Labels[this.#labels.step] ?? '';
        this.peaks.set(step, Math.max(this.peaks.get(step) ?? 0, bytes));
      }),
    );
  }
}
