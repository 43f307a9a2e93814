import type {SwarmNode} from '../../docker/swarm.ts';

/** Names of architectures as kernels and swarms have them, by Debian's. */
const machines: Readonly<Record<string, readonly string[]>> = {
  amd64: ['x86_64', 'amd64'],
  arm64: ['aarch64', 'arm64'],
  armhf: ['armv7l', 'arm'],
};

/** What a step wants of a node. */
export interface Placing {
  /** Debian architecture of programs that it executes besides its image's. */
  readonly executes?: string | undefined;
  /** Debian architectures that its build image exists for, the preferred one first. */
  readonly images: readonly string[];
  readonly memoryBytes: number;
  /** Ids of nodes that turned out not to be able to. */
  readonly unable: ReadonlySet<string>;
}

/** Where a step may run. */
export interface Placement {
  /** Architecture of the build image. */
  readonly image: string;
  /** Whether programs of the target run there through an emulator. */
  readonly emulated: boolean;
  readonly constraints: readonly string[];
  readonly reservedMemoryBytes: number;
}

/**
 * Chooses the nodes that may run a step. Native ones take it when there are any that are ready and there is an image for
 * them; otherwise every node that an image exists for may, and emulates.
 *
 * @returns undefined when no node is able to.
 */
export function placeStep(nodes: readonly SwarmNode[], wanted: Placing): Placement | undefined {
  const {executes, images, unable} = wanted;
  const able = nodes.filter(({id, ready}) => ready && !unable.has(id));
  const on = (architecture: string) => able.filter((node) => isNative(node, architecture));
  const native = images.find((image) => image === executes && on(image).length > 0);
  const image = native ?? images.find((candidate) => on(candidate).length > 0);
  if (image === undefined) return undefined;
  const chosen = on(image);
  const machine = chosen[0]?.machine ?? '';
  // More than any node has would never be placed. A step's limit is more than it usually needs.
  const largest = Math.max(...chosen.map(({memoryBytes}) => memoryBytes));
  return {
    image,
    emulated: executes !== undefined && executes !== image,
    constraints: [`node.platform.arch==${machine}`, ...[...unable].sort().map((id) => `node.id!=${id}`)],
    reservedMemoryBytes: Math.floor(Math.min(wanted.memoryBytes / 2, largest / 2)),
  };
}

/** Whether a node's own processor runs programs of an architecture (in Debian's words). */
export function isNative({machine}: SwarmNode, architecture: string): boolean {
  return (machines[architecture] ?? [architecture]).includes(machine);
}

/** Steps that the ready nodes of a swarm can run at once: one for each processor. */
export function capacityOf(nodes: readonly SwarmNode[]): number {
  return nodes.reduce((sum, {ready, cpus}) => sum + (ready ? Math.floor(cpus) : 0), 0);
}
