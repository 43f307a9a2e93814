import {mkdtemp, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {destroyVolume, type PipelineEvent} from '../api/index.ts';
import {runCommand} from './command.ts';
import {StepMeter, type StepFigures} from './step-figures.ts';

/** Times of small changes, by the installed command, from its start to its end with everything delivered, in seconds. */
export interface ChangeFigures extends StepFigures {
  readonly first_build_seconds: number;
  readonly unchanged_seconds: number;
  readonly hostname_seconds: number;
  readonly user_seconds: number;
  readonly password_seconds: number;
  readonly ssh_key_seconds: number;
}

const key = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f captain@reef';

/** What each change adds to the one before. */
const changes = {
  hostname_seconds: {hostname: 'reef'},
  user_seconds: {username: 'captain'},
  password_seconds: {password: 'other than before'},
  ssh_key_seconds: {ssh_authorized_keys: [key]},
};

/**
 * Builds everything in an empty volume, with the packages of the usual package volume, and then again after each of
 * the changes that must not install anything again.
 */
export async function benchChanges(options: {
  readonly log: (line: string) => void;
  readonly signal: AbortSignal;
}): Promise<ChangeFigures> {
  const {log, signal} = options;
  const volume = `hypriotkit-bench-${process.pid}`;
  const target = await mkdtemp(join(tmpdir(), 'hypriotkit-bench-'));
  using meter = await StepMeter.open(volume);
  const build = async (what: string) => {
    signal.throwIfAborted();
    const startedMs = Date.now();
    const seconds = await runCommand(['build', '--target', target, '--volume', volume], (event) => {
      if (what === 'first build') meter.onEvent(event);
      const line = describe(event);
      if (line !== undefined) log(`  ${((Date.now() - startedMs) / 1000).toFixed(2)} s ${line}`);
    });
    log(`${what}: ${seconds.toFixed(1)} s`);
    return seconds;
  };
  try {
    // The launcher compiles what it runs the first time.
    await runCommand(['--version']);
    const first = await build('first build');
    const figures = await meter.figures(target);
    await build('unchanged, after a delivery');
    const unchanged = await build('unchanged');
    const seconds: Partial<Record<keyof typeof changes, number>> = {};
    let rootFs: object = {};
    for (const [what, change] of Object.entries(changes)) {
      rootFs = {...rootFs, ...change};
      const configs = {root_fs: rootFs, rpi_sd_image: {}};
      await writeFile(join(target, 'configs.json'), JSON.stringify(configs));
      seconds[what as keyof typeof changes] = await build(Object.keys(change).join());
    }
    return {
      first_build_seconds: first,
      unchanged_seconds: unchanged,
      ...(seconds as Record<keyof typeof changes, number>),
      ...figures,
    };
  } finally {
    await rm(target, {recursive: true, force: true});
    await destroyVolume({volume}).catch(() => undefined);
  }
}

/** What happened when, for whoever wants to know where the time goes. */
function describe(event: PipelineEvent): string | undefined {
  switch (event.type) {
    case 'step-started':
      return `${event.step} starts`;
    case 'step-progress':
      return `${event.step}: ${event.message}`;
    case 'step-finished':
      return event.outcome === 'built' ? `${event.step} done` : undefined;
    case 'artifact-delivered':
      return event.artifact.sizeBytes > 1024 ** 2 ? `${event.artifact.name} delivered` : undefined;
    default:
      return undefined;
  }
}
