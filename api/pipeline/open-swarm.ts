import type {EngineSession} from '../engine/session.ts';
import {capacityOf} from '../engine/swarm/placement.ts';
import {Patience} from '../engine/swarm/patience.ts';
import {SwarmRegistry} from '../engine/swarm/swarm-registry.ts';
import {SwarmSession, type Heartbeat} from '../engine/swarm/swarm-session.ts';
import type {Step} from '../components/step.ts';
import {PipelineError} from '../errors.ts';
import type {PipelineEvent} from '../events/event.ts';
import type {BuildOptions} from '../options.ts';
import {parseRepository} from '../registry/repository-name.ts';
import {isLoopback} from '../registry/registry-connection.ts';
import {SwarmRunner} from './swarm-runner.ts';

/** The swarm that the steps of a run are made in. */
export interface OpenSwarm extends AsyncDisposable {
  readonly runner: SwarmRunner;
  /** Steps that it can run at once. */
  readonly jobs: number;
}

/**
 * The options of a run that its cache is opened with: the repository of a swarm is the first one that it takes from.
 *
 * @throws PipelineError `USAGE` for options that do not go together.
 */
export function withSwarmCache(options: BuildOptions, steps: readonly Step[]): BuildOptions {
  const {engine = 'local', registry, cacheFrom = []} = options;
  if (engine === 'local') {
    if (registry === undefined) return options;
    throw new PipelineError('USAGE', '--registry is for --engine swarm', {
      hint: 'One machine shares its artifacts with --cache-from and --cache-to.',
    });
  }
  if (registry === undefined) {
    throw new PipelineError(
      'USAGE',
      '--engine swarm needs --registry, through which its nodes hand artifacts on',
      {
        hint: 'For example --registry registry.example:5000/team/images; docker service create registry:2 runs one.',
      },
    );
  }
  if (options.cacheTrust !== undefined && options.cacheTrust.length > 0) {
    throw new PipelineError(
      'USAGE',
      '--cache-trust and --engine swarm exclude each other: workers sign nothing',
    );
  }
  const foreign = steps.find((step) => step.repository !== undefined);
  if (foreign !== undefined) {
    throw new PipelineError(
      'USAGE',
      `${foreign.component}.repo is not "builtin": only --engine local builds that`,
      {
        hint: 'Containers of other repositories expect volumes, and some privileges, that a service cannot have.',
      },
    );
  }
  return {...options, cacheFrom: [registry, ...cacheFrom]};
}

/** @returns undefined for a run on a single engine. */
export async function openSwarm(
  session: EngineSession,
  {engine, registry, insecureRegistries = []}: BuildOptions,
  emit: (event: PipelineEvent) => void,
  signal: AbortSignal,
  heartbeat?: Heartbeat,
): Promise<OpenSwarm | undefined> {
  if (engine !== 'swarm' || registry === undefined) return undefined;
  const reference = parseRepository(registry, '--registry');
  if (isLoopback(reference.registry)) {
    throw new PipelineError(
      'USAGE',
      `--registry ${registry} is a name that means another machine on every node`,
      {
        hint: 'Name the registry as all nodes, and the containers on them, reach it.',
      },
    );
  }
  const warn = (message: string) => emit({type: 'notice', level: 'warning', message});
  const patience = new Patience(signal, warn);
  const insecure = insecureRegistries.includes(reference.registry);
  const shared = await SwarmRegistry.open(reference, insecure, signal, warn);
  try {
    // One that is away now is said at once: it is waited for only when it goes away later.
    await shared.probe();
    const swarm = await SwarmSession.open(session.swarm, (role) => session.labels(role), patience, heartbeat);
    session.outlivesEngine = true;
    const jobs = Math.max(1, capacityOf(await swarm.nodes()));
    return {
      runner: new SwarmRunner(swarm, shared),
      jobs,
      [Symbol.asyncDispose]: async () => {
        try {
          await swarm.close();
        } finally {
          await shared[Symbol.asyncDispose]();
        }
      },
    };
  } catch (error) {
    await shared[Symbol.asyncDispose]();
    throw error;
  }
}
