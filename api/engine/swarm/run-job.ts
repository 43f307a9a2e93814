import {setTimeout as sleep} from 'node:timers/promises';
import {label} from '../../docker/labels.ts';
import type {FoundInSwarm, RegistryLogin, SwarmNode} from '../../docker/swarm.ts';
import {followAttempt, type AttemptEnd, type AttemptLog} from './attempt.ts';
import type {Placement} from './placement.ts';
import type {SwarmSession} from './swarm-session.ts';
import type {WorkerJob} from './worker-job.ts';

/** How often the swarm starts a service again whose node died or whose worker could not go on. */
const restarts = 3;

/** How many services are made for one piece of work, one after the other. */
const mostAttempts = 3;

/** Processes and threads that a worker may have. */
const processLimit = 4096;

/** Where a worker finds its program and what it has to do. */
const programPath = '/usr/lib/hypriotkit-worker';
const jobName = 'hypriotkit-job';

/** One piece of work for a swarm. */
export interface SwarmJob {
  /** The step that it belongs to, for names and labels. */
  readonly step: string;
  /** What its result is called in the registry. */
  readonly tag: string;
  /** Tells services of another registry from those of this one. */
  readonly registry: string;
  readonly memoryBytes: number;
  readonly work: Omit<WorkerJob, 'probe'>;
  /** The program that must run on the node where what the step executes is emulated. */
  readonly probe: WorkerJob['probe'];
  /** Chooses the nodes; undefined when none is able. */
  readonly place: (nodes: readonly SwarmNode[], unable: ReadonlySet<string>) => Placement | undefined;
  /** The build image by digest, for an architecture. */
  readonly image: (architecture: string) => Promise<string>;
  readonly login: RegistryLogin | undefined;
  /** Whether the registry has the result. */
  readonly isProven: () => Promise<boolean>;
}

/** How a piece of work ended. */
export type JobEnd =
  | Exclude<AttemptEnd, {kind: 'said'}>
  | Extract<AttemptEnd, {kind: 'said'}>
  /** Another run was doing it, and has ended. */
  | {readonly kind: 'elsewhere'}
  /** No node can: `unable` are the names of those that have tried. */
  | {readonly kind: 'no-node'; readonly unable: readonly string[]};

/** Does a piece of work in a swarm: one service for each attempt, which is removed with everything that belongs to it. */
export async function runJob(
  session: SwarmSession,
  job: SwarmJob,
  log: AttemptLog,
  signal: AbortSignal,
): Promise<JobEnd> {
  const unable = new Set<string>();
  let end: JobEnd = {kind: 'lost', why: 'it was not tried'};
  for (let attempt = 1, lost = 0; lost < mostAttempts; attempt++) {
    signal.throwIfAborted();
    const nodes = await session.nodes();
    const placement = job.place(nodes, unable);
    if (placement === undefined) {
      const names = nodes.filter(({id}) => unable.has(id)).map(({name}) => name);
      return {kind: 'no-node', unable: names};
    }
    const name = serviceName(job, attempt);
    try {
      const serviceId = await start(session, job, name, placement);
      if (serviceId === undefined) {
        await waitForHolder(session, job, name, log, signal);
        return {kind: 'elsewhere'};
      }
      end = await followAttempt(session, serviceId, job.isProven, log, signal);
    } finally {
      await removeOwn(session, name);
    }
    if (end.kind === 'proven') return end;
    if (end.kind === 'said') {
      const {end: said, node} = end;
      if ('refused' in said && said.refused === 'no_emulation' && !unable.has(node)) {
        unable.add(node);
        continue;
      }
      // It says that it has made it, and the registry does not have it: somebody has removed it.
      if (!('built' in said)) return end;
    }
    lost += 1;
    log.progress(`trying again: ${end.kind === 'lost' ? end.why : 'the registry does not have its result'}`);
  }
  return end;
}

/** At most 63 characters, as names of services are. */
function serviceName({step, tag, registry}: SwarmJob, attempt: number): string {
  const short = step.replaceAll(/[^a-z0-9]+/g, '-').slice(0, 24);
  const key = tag.replace(/^.*-/, '').slice(0, 12);
  return `hypriotkit-${short}-${key}-${registry.slice(0, 6)}-${attempt}`;
}

/** @returns undefined when another run has that name. */
async function start(
  session: SwarmSession,
  job: SwarmJob,
  name: string,
  placement: Placement,
): Promise<string | undefined> {
  const {swarm, patience} = session;
  const work: WorkerJob = {...job.work, ...(placement.emulated && job.probe && {probe: job.probe})};
  const labels = {...session.labels('step'), [label.step]: job.step};
  const image = await job.image(placement.image);
  const secret =
    (await patience.ask(() => swarm.createSecret(name, Buffer.from(JSON.stringify(work)), labels))) ??
    // Of this run when a manager went away before it could answer.
    (await findOwn(session, 'secret', name));
  if (secret === undefined) return undefined;
  const spec = {
    name,
    image,
    command: ['perl', programPath, `/run/secrets/${jobName}`],
    labels,
    secrets: [{id: secret, name, target: jobName, mode: 0o400}],
    configs: [{...session.program, target: programPath, mode: 0o555}],
    scratch: ['/workspace', '/inputs', '/packages'],
    constraints: placement.constraints,
    memoryBytes: job.memoryBytes,
    reservedMemoryBytes: placement.reservedMemoryBytes,
    reservedCpus: 1,
    pids: processLimit,
    restarts,
  };
  return (
    (await patience.ask(() => swarm.createService(spec, job.login))) ??
    (await findOwn(session, 'service', name))
  );
}

/** Removes a service of this run and its secret; those of another run with the same name are left alone. */
async function removeOwn(session: SwarmSession, name: string): Promise<void> {
  for (const kind of ['service', 'secret'] as const) {
    const id = await findOwn(session, kind, name);
    if (id !== undefined) await session.patience.ask(() => session.swarm.remove(kind, id));
  }
}

async function findOwn(
  session: SwarmSession,
  kind: 'service' | 'secret',
  name: string,
): Promise<string | undefined> {
  const found = await find(session, kind, name);
  return found?.labels[label.run] === session.labels('')[label.run] ? found?.id : undefined;
}

async function find(
  {swarm, patience}: SwarmSession,
  kind: 'service' | 'secret',
  name: string,
): Promise<FoundInSwarm | undefined> {
  const found = await patience.ask(() => swarm.list(kind, label.run));
  return found.find((one) => one.name === name);
}

/** Waits until the run that has a name has done its work, or is dead: then what it left is removed. */
async function waitForHolder(
  session: SwarmSession,
  job: SwarmJob,
  name: string,
  log: AttemptLog,
  signal: AbortSignal,
): Promise<void> {
  for (let said = false; ; said = true) {
    const holder = (await find(session, 'service', name)) ?? (await find(session, 'secret', name));
    if (holder === undefined || (await job.isProven())) return;
    if (await session.isStale(holder)) {
      await session.removeService(name);
      return;
    }
    if (!said) log.progress(`waiting for ${holder.labels[label.owner] ?? 'another run'}, which is making it`);
    await sleep(2000, undefined, {signal});
  }
}
