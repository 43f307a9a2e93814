import {mkdtemp, rm, stat} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {connectDocker} from '../api/docker/client.ts';
import {DockerImages} from '../api/docker/images.ts';
import {label} from '../api/docker/labels.ts';
import {bootImage, build, destroyVolume, type PipelineEvent} from '../api/index.ts';
import {MemorySampler} from './memory-sampler.ts';

const image = 'hypriotos-rpi64-latest.img';

/** Figures of one build from nothing, of a second run, and of a boot. Times in seconds. */
export interface BuildFigures {
  readonly cold_seconds: number;
  readonly steps: Readonly<Record<string, number>>;
  readonly unchanged_seconds: number;
  readonly boot_login_seconds?: number;
  readonly image_allocated_bytes: number;
  readonly zip_bytes: number;
  readonly peak_memory_bytes: Readonly<Record<string, number>>;
}

/**
 * Builds with an engine that is running and nothing else: no base image, no build images, an empty volume. Then
 * again with nothing changed, and boots the result.
 */
export async function benchBuild(options: {
  readonly boot: boolean;
  readonly log: (line: string) => void;
  readonly signal: AbortSignal;
}): Promise<BuildFigures> {
  const {signal} = options;
  const {docker} = await connectDocker();
  await removeOurImages(new DockerImages(docker));
  const volume = `hypriotkit-bench-${process.pid}`;
  const packageVolume = `${volume}-packages`;
  const target = await mkdtemp(join(tmpdir(), 'hypriotkit-bench-'));
  const steps: Record<string, number> = {};
  const onEvent = (event: PipelineEvent) => {
    if (event.type !== 'step-finished') return;
    steps[event.step] = event.durationMs / 1000;
    options.log(`${event.step}: ${(event.durationMs / 1000).toFixed(1)} s`);
  };
  const sampler = new MemorySampler(docker, label);
  try {
    const cold = await build({target, volume, packageVolume, onEvent, verbosity: 'info', signal});
    options.log(`cold build: ${(cold.durationMs / 1000).toFixed(1)} s`);
    const unchanged = await build({target, volume, packageVolume, signal});
    options.log(`unchanged: ${(unchanged.durationMs / 1000).toFixed(1)} s`);
    const booted = options.boot ? await bootImage({target, volume, packageVolume, signal}) : undefined;
    if (booted) options.log(`login: ${booted.loginSeconds.toFixed(1)} s`);
    return {
      cold_seconds: cold.durationMs / 1000,
      steps,
      unchanged_seconds: unchanged.durationMs / 1000,
      ...(booted && {boot_login_seconds: booted.loginSeconds}),
      image_allocated_bytes: (await stat(join(target, image))).blocks * 512,
      zip_bytes: (await stat(join(target, `${image}.zip`))).size,
      peak_memory_bytes: Object.fromEntries(sampler.peaks),
    };
  } finally {
    sampler.stop();
    await rm(target, {recursive: true, force: true});
    for (const name of [volume, packageVolume]) await destroyVolume({volume: name}).catch(() => undefined);
  }
}

/** Everything that hypriotkit made in the engine, so that the build starts from nothing. */
async function removeOurImages(images: DockerImages): Promise<void> {
  for (const found of await images.list(label.image)) {
    for (const tag of found.tags.length > 0 ? found.tags : [found.id]) await images.remove(tag);
  }
}
