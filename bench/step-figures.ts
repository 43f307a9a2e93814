import {stat} from 'node:fs/promises';
import {join} from 'node:path';
import {connectDocker} from '../api/docker/client.ts';
import {parseVolumeReference} from '../api/engine/volume-reference.ts';
import type {Artifact, PipelineEvent} from '../api/index.ts';
import {StepSampler} from './step-sampler.ts';

/** What steps took, by step. */
export interface StepFigures {
  readonly steps: Readonly<Record<string, number>>;
  readonly peak_memory_bytes: Readonly<Record<string, number>>;
  /** What each step wrote, and how often that is the size of its artifacts on the disk. */
  readonly written_bytes: Readonly<Record<string, number>>;
  readonly written_over_artifacts: Readonly<Record<string, number>>;
  /** The same over all of them. */
  readonly total_written_over_artifacts: number;
}

/** Watches the steps of builds. */
export class StepMeter implements Disposable {
  readonly #sampler: StepSampler;
  readonly #seconds: Record<string, number> = {};
  readonly #artifacts = new Map<string, readonly Artifact[]>();

  private constructor(sampler: StepSampler) {
    this.#sampler = sampler;
  }

  /** @param volume of the builds. */
  static async open(volume: string): Promise<StepMeter> {
    return new StepMeter(new StepSampler((await connectDocker()).docker, parseVolumeReference(volume).id));
  }

  /** Takes note of the steps that were made. */
  readonly onEvent = (event: PipelineEvent): void => {
    if (event.type !== 'step-finished' || event.outcome !== 'built') return;
    this.#seconds[event.step] = event.durationMs / 1000;
    this.#artifacts.set(event.step, event.artifacts);
  };

  /** @param target where the artifacts were delivered: a sparse one counts with the room that it takes there. */
  async figures(target: string): Promise<StepFigures> {
    const {written, peaks} = this.#sampler;
    const ratios: Record<string, number> = {};
    const sum = {written: 0, artifacts: 0};
    for (const [step, bytes] of written) {
      const sizes = await Promise.all(
        (this.#artifacts.get(step) ?? []).map(async ({name, sizeBytes}) =>
          Math.min(sizeBytes, await allocated(join(target, name)).catch(() => sizeBytes)),
        ),
      );
      const total = sizes.reduce((before, size) => before + size, 0);
      if (total === 0) continue;
      ratios[step] = Math.round((bytes / total) * 100) / 100;
      sum.written += bytes;
      sum.artifacts += total;
    }
    return {
      steps: this.#seconds,
      peak_memory_bytes: Object.fromEntries(peaks),
      written_bytes: Object.fromEntries(written),
      written_over_artifacts: ratios,
      total_written_over_artifacts: Math.round((sum.written / sum.artifacts) * 100) / 100,
    };
  }

  [Symbol.dispose](): void {
    this.#sampler.stop();
  }
}

/** Bytes that a file takes on the disk. */
export async function allocated(path: string): Promise<number> {
  return (await stat(path)).blocks * 512;
}
