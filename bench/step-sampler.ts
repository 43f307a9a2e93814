import type Dockerode from 'dockerode';
import {readdir, readFile} from 'node:fs/promises';
import {label} from '../api/docker/labels.ts';

/** Memory that containers really hold: anonymous pages. The page cache, which the kernel can take back, does not count. */
interface MemoryStats {
  readonly stats?: {readonly total_rss?: number; readonly anon?: number};
}

/** Watches the containers of the runs on one volume and remembers what each step's container took. */
export class StepSampler {
  /** The most memory at one time, in bytes. */
  readonly peaks = new Map<string, number>();
  /**
   * Bytes that the step's processes gave to file systems, also to files that were removed before they reached a disk.
   * Seen only where the engine runs on this machine and this process may look at its processes; else empty.
   */
  readonly written = new Map<string, number>();
  readonly #docker: Dockerode;
  readonly #filters: readonly string[];
  readonly #processes = new Map<string, number>();
  readonly #timers: readonly NodeJS.Timeout[];

  /** @param volumeId as the labels of the containers have it. */
  constructor(docker: Dockerode, volumeId: string) {
    this.#docker = docker;
    this.#filters = [label.step, `${label.volume}=${volumeId}`];
    this.#timers = [
      setInterval(() => void this.#sampleMemory().catch(() => undefined), 500),
      setInterval(() => void this.#sampleWritten().catch(() => undefined), 100),
    ];
  }

  stop(): void {
    for (const timer of this.#timers) clearInterval(timer);
  }

  async #sampleMemory(): Promise<void> {
    const containers = await this.#docker.listContainers({filters: {label: [...this.#filters]}});
    await Promise.all(
      containers.map(async (found) => {
        const container = this.#docker.getContainer(found.Id);
        const step = found.Labels[label.step] ?? '';
        if (!this.#processes.has(step)) this.#processes.set(step, (await container.inspect()).State.Pid);
        const answer: unknown = await container.stats({stream: false, 'one-shot': true});
        const {memory_stats: memory} = answer as {memory_stats: MemoryStats};
        const bytes = memory.stats?.total_rss ?? memory.stats?.anon ?? 0;
        this.peaks.set(step, Math.max(this.peaks.get(step) ?? 0, bytes));
      }),
    );
  }

  async #sampleWritten(): Promise<void> {
    for (const [step, pid] of this.#processes) {
      const bytes = await writtenBy(pid);
      this.written.set(step, Math.max(this.written.get(step) ?? 0, bytes));
    }
  }
}

/** Bytes written by a process and all below it; what has ended counts for the process that waited for it (proc(5)). */
async function writtenBy(pid: number): Promise<number> {
  try {
    const own = Number(/^write_bytes: (\d+)/m.exec(await readFile(`/proc/${pid}/io`, 'utf8'))?.[1]);
    const threads = await readdir(`/proc/${pid}/task`);
    const children = await Promise.all(
      threads.map((thread) => readFile(`/proc/${pid}/task/${thread}/children`, 'utf8')),
    );
    const below = await Promise.all(children.join(' ').split(' ').filter(Boolean).map(Number).map(writtenBy));
    return below.reduce((sum, bytes) => sum + bytes, own);
  } catch {
    // It has ended meanwhile, or is not on this machine.
    return 0;
  }
}
