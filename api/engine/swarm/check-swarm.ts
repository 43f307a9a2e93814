import {randomBytes} from 'node:crypto';
import {Readable} from 'node:stream';
import {setTimeout as sleep} from 'node:timers/promises';
import type {DockerImages} from '../../docker/images.ts';
import {label} from '../../docker/labels.ts';
import {writeTar} from '../../docker/tar.ts';
import type {DockerSwarm, SwarmNode, SwarmTask} from '../../docker/swarm.ts';
import {PipelineError} from '../../errors.ts';
import {isLoopback} from '../../registry/registry-connection.ts';
import type {ImageReference} from '../../registry/reference.ts';
import {isNative} from './placement.ts';
import {pushImage} from './push-image.ts';
import {SwarmRegistry} from './swarm-registry.ts';

/** Something that a swarm needs, as `doctor` says it. */
export interface SwarmCheck {
  readonly name: string;
  readonly status: 'ok' | 'warning' | 'failed';
  readonly detail: string;
  readonly fix?: string;
}

export interface SwarmToCheck {
  readonly swarm: Pick<DockerSwarm, 'role' | 'nodes' | 'tasks' | 'list' | 'createFetch' | 'remove'>;
  readonly images: DockerImages;
  readonly registry: ImageReference | undefined;
  /** The registry is spoken to without TLS. */
  readonly insecure: boolean;
  readonly signal: AbortSignal;
}

/** The oldest engine that has what workers need. */
const oldestVersion = [20, 10];

/** A node that has not fetched an image of nothing by then does not reach the registry. */
const patienceMs = 30_000;

/**
 * Looks at what a build in a swarm needs: its nodes, and whether the registry can be used from here, from the manager's
 * engine and from each node. For the last, an image of nothing is sent to the registry, and a service fetches it
 * everywhere; the service is removed again.
 */
export async function checkSwarm(place: SwarmToCheck): Promise<readonly SwarmCheck[]> {
  const role = await place.swarm.role();
  if (role !== 'manager') return [noManager(role)];
  const nodes = await place.swarm.nodes();
  const checks = [checkNodes(nodes), checkVersions(nodes), checkNative(nodes)];
  if (place.registry === undefined) {
    return [
      ...checks,
      {
        name: 'Registry',
        status: 'failed',
        detail: 'none is named, through which nodes hand artifacts on',
        fix: 'hypriotkit doctor --engine swarm --registry registry.example:5000/team/images',
      },
    ];
  }
  return [...checks, ...(await checkRegistry(place, place.registry, nodes))];
}

function noManager(role: 'worker' | 'none'): SwarmCheck {
  return role === 'none'
    ? {name: 'Swarm', status: 'failed', detail: 'the engine is not part of a swarm', fix: 'docker swarm init'}
    : {
        name: 'Swarm',
        status: 'failed',
        detail: 'the engine is a worker of a swarm, not a manager',
        fix: 'Point DOCKER_HOST to a manager, or make this one: docker node promote',
      };
}

function checkNodes(nodes: readonly SwarmNode[]): SwarmCheck {
  const away = nodes.filter(({ready}) => !ready);
  const cpus = nodes.reduce((sum, node) => sum + (node.ready ? node.cpus : 0), 0);
  const detail = `${nodes.length - away.length} of ${nodes.length} nodes are ready, with ${cpus} CPUs: ${nodes
    .map(({name, machine, ready}) => `${name} (${machine}${ready ? '' : ', away'})`)
    .join(', ')}`;
  if (away.length === 0) return {name: 'Swarm', status: 'ok', detail};
  return {
    name: 'Swarm',
    status: away.length === nodes.length ? 'failed' : 'warning',
    detail,
    fix: 'docker node ls\ndocker node update --availability active NODE',
  };
}

function checkVersions(nodes: readonly SwarmNode[]): SwarmCheck {
  const versions = [...new Set(nodes.map(({version}) => version))].sort();
  const old = nodes.filter(({version}) => isOld(version));
  const name = 'Engines';
  if (old.length === 0) return {name, status: 'ok', detail: versions.join(', ')};
  return {
    name,
    status: 'failed',
    detail: `older than ${oldestVersion.join('.')}: ${old.map((node) => `${node.name} (${node.version})`).join(', ')}`,
    fix: 'Upgrade these engines, or take them out: docker node update --availability drain NODE',
  };
}

function isOld(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [oldestMajor = 0, oldestMinor = 0] = oldestVersion;
  return major < oldestMajor || (major === oldestMajor && minor < oldestMinor);
}

function checkNative(nodes: readonly SwarmNode[]): SwarmCheck {
  const name = 'arm64 programs';
  const native = nodes.filter((node) => node.ready && isNative(node, 'arm64')).map((node) => node.name);
  if (native.length === nodes.length) return {name, status: 'ok', detail: 'every node runs them itself'};
  const others = nodes.filter((node) => node.ready && !isNative(node, 'arm64')).map((node) => node.name);
  return {
    name,
    status: 'ok',
    detail: `${native.length === 0 ? 'emulated' : `native on ${native.join(', ')}; emulated`} on ${others.join(', ')}; nodes besides the manager need qemu-user-static for it`,
  };
}

async function checkRegistry(
  place: SwarmToCheck,
  registry: ImageReference,
  nodes: readonly SwarmNode[],
): Promise<readonly SwarmCheck[]> {
  const name = 'Registry';
  if (isLoopback(registry.registry)) {
    return [
      {
        name,
        status: 'failed',
        detail: `${registry.registry} means another machine on every node`,
        fix: 'Name it as all nodes, and the containers on them, reach it.',
      },
    ];
  }
  try {
    await using shared = await SwarmRegistry.open(registry, place.insecure, place.signal);
    await shared.probe();
    const usable = {name, status: 'ok', detail: `${shared.label} can be read and written from here`} as const;
    return [usable, await checkFetch(place, shared, nodes)];
  } catch (error) {
    return [fromError(name, error)];
  }
}

/** Whether the manager's engine can send an image to the registry, and every node gets it. */
async function checkFetch(
  {swarm, images, signal}: SwarmToCheck,
  shared: SwarmRegistry,
  nodes: readonly SwarmNode[],
): Promise<SwarmCheck> {
  const name = 'Registry from nodes';
  // A new one each time: what a node has, it does not fetch.
  const id = randomBytes(6).toString('hex');
  const local = `hypriotkit/doctor:${id}`;
  const service = `hypriotkit-doctor-${id}`;
  const role = 'doctor';
  let serviceId: string | undefined;
  try {
    await images.importTar(Readable.from([await writeTar([])]), 'hypriotkit/doctor', id, [
      `LABEL doctor=${id}`,
    ]);
    // Of a doctor that was killed. It belongs to no run, or whoever begins one would take it for that of a dead one.
    for (const found of await swarm.list('service', label.role))
      if (found.labels[label.role] === role) await swarm.remove('service', found.id);
    const image = await pushImage(images, local, 'doctor', shared.images, signal);
    serviceId = await swarm.createFetch({name: service, image, labels: {[label.role]: role}}, shared.login);
    return describeFetch(name, shared.label, nodes, await followFetch(swarm, serviceId, nodes, signal));
  } catch (error) {
    return fromError(name, error);
  } finally {
    if (serviceId !== undefined) await swarm.remove('service', serviceId);
    await images.remove(local);
  }
}

/** How far each node has come with the image; by id. */
type Fetched = ReadonlyMap<string, SwarmTask>;

/** States of a task that wait for its image. */
const fetching = new Set(['new', 'allocated', 'pending', 'assigned', 'accepted', 'preparing']);

async function followFetch(
  swarm: Pick<DockerSwarm, 'tasks'>,
  serviceId: string,
  nodes: readonly SwarmNode[],
  signal: AbortSignal,
): Promise<Fetched> {
  const ready = nodes.filter((node) => node.ready);
  for (const untilMs = Date.now() + patienceMs; ;) {
    const tasks = await swarm.tasks([serviceId]);
    const byNode = new Map(tasks.map((task) => [task.nodeId ?? '', task]));
    const isOver = ready.every(({id}) => !fetching.has(byNode.get(id)?.state ?? 'new'));
    if (isOver || Date.now() > untilMs) return byNode;
    await sleep(300, undefined, {signal});
  }
}

function describeFetch(
  name: string,
  label: string,
  nodes: readonly SwarmNode[],
  fetched: Fetched,
): SwarmCheck {
  const ready = nodes.filter((node) => node.ready);
  const unable = ready.flatMap((node) => {
    const task = fetched.get(node.id);
    if (task === undefined || fetching.has(task.state)) return [`${node.name} (still trying)`];
    return task.state === 'rejected' ? [`${node.name} (${task.message})`] : [];
  });
  if (unable.length === 0) {
    return {
      name,
      status: 'ok',
      detail: `fetched an image from there: ${ready.map((node) => node.name).join(', ')}`,
    };
  }
  return {
    name,
    status: 'failed',
    detail: `cannot fetch an image from there: ${unable.join(', ')}`,
    fix: `On such a node, docker pull ${label}:doctor says why.\nWithout TLS it needs the registry in "insecure-registries" of /etc/docker/daemon.json, with a private authority its certificate in /etc/docker/certs.d.`,
  };
}

function fromError(name: string, error: unknown): SwarmCheck {
  if (!(error instanceof PipelineError)) throw error;
  return {name, status: 'failed', detail: error.message, ...(error.hint !== undefined && {fix: error.hint})};
}
