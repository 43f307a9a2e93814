import {mkdtemp, rm, stat, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {connectDocker} from '../api/docker/client.ts';
import {DockerImages} from '../api/docker/images.ts';
import {label} from '../api/docker/labels.ts';
import {bootImage, build, destroyVolume} from '../api/index.ts';
import {runCommand} from './command.ts';
import {allocated, StepMeter, type StepFigures} from './step-figures.ts';

const image = 'hypriotos-rpi64-latest.img';

/** Figures of builds from nothing, of small changes, and of a boot. Times in seconds. */
export interface BuildFigures extends StepFigures {
  /** With nothing but an engine. */
  readonly cold_seconds: number;
  /** With the packages of the first build and nothing else. */
  readonly cold_with_packages_seconds: number;
  /** By the installed command, from its start to its end; the first time after a delivery, and again. */
  readonly unchanged_after_delivery_seconds: number;
  readonly unchanged_seconds: number;
  /** Another host name, for all components, delivered. */
  readonly hostname_change_seconds: number;
  readonly boot_login_seconds?: number;
  readonly image_allocated_bytes: number;
  readonly zip_bytes: number;
  readonly zst_bytes: number;
}

/**
 * Builds with an engine that is running and nothing else: no base image, no build images, an empty volume; then the
 * same with a package volume that is full. Then again with nothing changed, with another host name, and boots it.
 */
export async function benchBuild(options: {
  readonly boot: boolean;
  readonly log: (line: string) => void;
  readonly signal: AbortSignal;
}): Promise<BuildFigures> {
  const {signal} = options;
  const {docker} = await connectDocker();
  const images = new DockerImages(docker);
  const volume = `hypriotkit-bench-${process.pid}`;
  const first = `${volume}-first`;
  const packageVolume = `${volume}-packages`;
  const target = await mkdtemp(join(tmpdir(), 'hypriotkit-bench-'));
  const timed = async (what: string, action: () => Promise<unknown>) => {
    const startedMs = Date.now();
    await action();
    const seconds = (Date.now() - startedMs) / 1000;
    options.log(`${what}: ${seconds.toFixed(1)} s`);
    return seconds;
  };
  const command = () =>
    runCommand(['build', '--target', target, '--volume', volume, '--package-volume', packageVolume]);
  try {
    await removeOurImages(images);
    const cold = await timed('cold', () => build({target, volume: first, packageVolume, signal}));
    await removeOurImages(images);
    await rm(target, {recursive: true});
    using meter = await StepMeter.open(volume);
    const warm = await timed('cold, with the packages', () =>
      build({target, volume, packageVolume, onEvent: meter.onEvent, verbosity: 'info', signal}),
    );
    const figures = await meter.figures(target);
    // The launcher compiles what it runs the first time.
    await runCommand(['--version']);
    const afterDelivery = await timed('unchanged, after a delivery', command);
    const unchanged = await timed('unchanged', command);
    const configs = {root_fs: {hostname: 'reef'}, rpi_sd_image: {}};
    await writeFile(join(target, 'configs.json'), JSON.stringify(configs));
    const changed = await timed('another host name', command);
    const booted = options.boot ? await bootImage({target, volume, packageVolume, signal}) : undefined;
    if (booted) options.log(`login: ${booted.loginSeconds.toFixed(1)} s`);
    return {
      cold_seconds: cold,
      cold_with_packages_seconds: warm,
      unchanged_after_delivery_seconds: afterDelivery,
      unchanged_seconds: unchanged,
      hostname_change_seconds: changed,
      ...(booted && {boot_login_seconds: booted.loginSeconds}),
      image_allocated_bytes: await allocated(join(target, image)),
      zip_bytes: (await stat(join(target, `${image}.zip`))).size,
      zst_bytes: (await stat(join(target, `${image}.zst`))).size,
      ...figures,
    };
  } finally {
    await rm(target, {recursive: true, force: true});
    for (const name of [first, volume, packageVolume])
      await destroyVolume({volume: name}).catch(() => undefined);
  }
}

/** Everything that hypriotkit made in the engine, so that the build starts from nothing. */
async function removeOurImages(images: DockerImages): Promise<void> {
  for (const found of await images.list(label.image)) {
    for (const tag of found.tags.length > 0 ? found.tags : [found.id]) await images.remove(tag);
  }
}
