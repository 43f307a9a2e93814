import {mkdtemp, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {build, destroyVolume} from '../api/index.ts';
import {DockerRegistry} from '../test/registry/docker-registry.ts';
import {allocated} from './step-figures.ts';

/** One image, and then variants of it that differ in their host name. */
export interface MatrixFigures {
  readonly variants: number;
  /** Everything from an empty volume, with the packages of the usual package volume, delivered. */
  readonly cold_seconds: number;
  /** All variants after that, delivered. */
  readonly variants_seconds: number;
  readonly seconds_per_variant: number;
  /** That of the goal: (cold + variants) / (cold + 8 s for each variant). */
  readonly ratio: number;
  /** What a registry keeps of the first image, and of each further one on average. */
  readonly image_mb: number;
  readonly mb_per_variant: number;
  readonly storage_per_variant: number;
  readonly sending_seconds_per_variant: number;
  /** What a delivered variant takes on the disk. */
  readonly delivered_mb: number;
}

const goalSeconds = 8;
const megabyte = 1e6;
const image = 'hypriotos-rpi64-latest.img';

/** Builds one image from nothing and then `variants` more, and sends all of them to a registry. */
export async function benchMatrix(options: {
  readonly variants: number;
  readonly log: (line: string) => void;
  readonly signal: AbortSignal;
}): Promise<MatrixFigures> {
  const {variants, log, signal} = options;
  const volume = `hypriotkit-bench-${process.pid}`;
  const target = await mkdtemp(join(tmpdir(), 'hypriotkit-bench-'));
  const config = join(target, 'configs.json');
  await using registry = await DockerRegistry.start();
  const timed = async (what: string, rootFs: object, matrix: object | undefined, cacheTo: string[]) => {
    await writeFile(config, JSON.stringify({rpi_sd_image: {}, root_fs: rootFs, ...(matrix && {matrix})}));
    const startedMs = Date.now();
    const result = await build({
      config,
      target: join(target, 'out'),
      volume,
      cacheTo,
      verbosity: 'info',
      signal,
    });
    const seconds = (Date.now() - startedMs) / 1000;
    log(`${what}: ${seconds.toFixed(1)} s`);
    return {seconds, sent: result.pushed.reduce((sum, {sentBytes}) => sum + sentBytes, 0)};
  };
  const names = Array.from({length: variants}, (_, index) => `reef-${index + 1}`);
  const matrix = {'root_fs.hostname': names};
  const ref = `${registry.host}/bench/matrix`;
  try {
    const cold = await timed('cold', {hostname: 'reef-0'}, undefined, []);
    const first = await timed('sending it', {hostname: 'reef-0'}, undefined, [ref]);
    const all = await timed(`${variants} variants`, {}, matrix, []);
    const sending = await timed('sending them', {}, matrix, [ref]);
    const goal = cold.seconds + variants * goalSeconds;
    return {
      variants,
      cold_seconds: round(cold.seconds),
      variants_seconds: round(all.seconds),
      seconds_per_variant: round(all.seconds / variants),
      ratio: round((cold.seconds + all.seconds) / goal),
      image_mb: Math.round(first.sent / megabyte),
      mb_per_variant: round(sending.sent / variants / megabyte),
      storage_per_variant: Math.round((sending.sent / variants / first.sent) * 1000) / 1000,
      sending_seconds_per_variant: round(sending.seconds / variants),
      delivered_mb: Math.round((await allocated(join(target, 'out', names[0] ?? '', image))) / megabyte),
    };
  } finally {
    await rm(target, {recursive: true, force: true});
    await destroyVolume({volume}).catch(() => undefined);
  }
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
