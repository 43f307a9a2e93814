import {execFile, spawn} from 'node:child_process';
import {once} from 'node:events';
import {mkdtemp, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {promisify} from 'node:util';
import {build, type BuildOptions, type PipelineEvent} from '../api/index.ts';
import {findAnyBaseImage} from '../api/engine/base-image.ts';
import {openSession} from '../api/engine/open-session.ts';
import {PrivateSwarm} from '../test/docker/private-swarm.ts';

const run = promisify(execFile);

export interface SwarmFigures {
  readonly local_seconds: number;
  readonly swarm_seconds: number;
  readonly swarm_over_local: number;
  readonly local_steps: Readonly<Record<string, number>>;
  readonly swarm_steps: Readonly<Record<string, number>>;
  readonly files: number;
  readonly identical_files: number;
}

/**
 * The same components twice on one private engine, each time with nothing but the base image: by the engine itself, and
 * by a swarm of it alone. Needs root, and changes the firewall of this machine while it runs, so that the containers of
 * that engine reach a package mirror.
 */
export async function benchSwarm(options: {
  readonly components: readonly string[];
  readonly log: (line: string) => void;
  readonly signal: AbortSignal;
}): Promise<SwarmFigures> {
  const {components, log, signal} = options;
  await using swarm = await PrivateSwarm.start(1);
  await using _internet = await openInternet(swarm);
  const host = `unix://${swarm.manager.socket}`;
  const image = await copyBaseImage(host, log);
  const target = await mkdtemp(join(tmpdir(), 'hypriotkit-bench-'));
  try {
    const timed = async (name: string, more: BuildOptions) => {
      const steps: Record<string, number> = {};
      const onEvent = (event: PipelineEvent) => {
        if (event.type === 'step-finished') steps[event.step] = event.durationMs / 1000;
        if (event.type === 'step-failed') log(`${event.step}: ${JSON.stringify(event.failure)}`);
        if (event.type === 'step-finished')
          log(`${name} ${event.step}: ${(event.durationMs / 1000).toFixed(1)} s`);
      };
      const startedMs = Date.now();
      const {artifacts} = await build({
        host,
        image,
        target,
        components,
        onEvent,
        verbosity: 'info',
        signal,
        ...more,
      });
      const seconds = (Date.now() - startedMs) / 1000;
      return {seconds, steps, files: new Map(artifacts.map(({name: file, sha256}) => [file, sha256]))};
    };
    const registry = `${swarm.registry.host}/bench/images`;
    const insecureRegistries = [swarm.registry.host];
    const remote = {engine: 'swarm', registry, insecureRegistries, volume: 'swarm'} as const;
    // The lock of the first build makes the second one the same.
    const local = await timed('local', {volume: 'local'});
    const inSwarm = await timed('swarm', remote);
    const identical = [...local.files].filter(([file, sha256]) => inSwarm.files.get(file) === sha256);
    return {
      local_seconds: local.seconds,
      swarm_seconds: inSwarm.seconds,
      swarm_over_local: Math.round((inSwarm.seconds / local.seconds) * 100) / 100,
      local_steps: local.steps,
      swarm_steps: inSwarm.steps,
      files: local.files.size,
      identical_files: identical.length,
    };
  } finally {
    await rm(target, {recursive: true, force: true});
  }
}

/** Lets the private engines' containers out, until disposed of. */
async function openInternet({link: {device, network}}: PrivateSwarm): Promise<AsyncDisposable> {
  const established = ['-m', 'conntrack', '--ctstate', 'RELATED,ESTABLISHED'];
  const rules = [
    ['-t', 'nat', 'POSTROUTING', '-s', network, '!', '-o', device, '-j', 'MASQUERADE'],
    ['-t', 'filter', 'FORWARD', '-i', device, '-j', 'ACCEPT'],
    ['-t', 'filter', 'FORWARD', '-o', device, ...established, '-j', 'ACCEPT'],
  ];
  for (const [option = '', table = '', ...rule] of rules)
    await run('iptables', [option, table, '-I', ...rule]);
  return {
    [Symbol.asyncDispose]: async () => {
      for (const [option = '', table = '', ...rule] of rules)
        await run('iptables', [option, table, '-D', ...rule]).catch(() => undefined);
    },
  };
}

/** Gives a private engine the base image of this machine's, whichever it has. */
async function copyBaseImage(host: string, log: (line: string) => void): Promise<string> {
  await using session = await openSession({});
  const image = await findAnyBaseImage(session);
  if (image === undefined) throw new Error('build base_image first');
  log(`copying ${image}`);
  const save = spawn('docker', ['save', image], {stdio: ['ignore', 'pipe', 'inherit']});
  const load = spawn('docker', ['--host', host, 'load'], {stdio: [save.stdout, 'ignore', 'inherit']});
  const [status] = (await once(load, 'close')) as [number | null];
  if (status !== 0) throw new Error('the base image cannot be copied');
  return image;
}
